"""An embedded local AWS: ministack for what it does for real, services of our own for what it only pretends."""
