"""An embedded local AWS: ministack for what it really does, services of our own for what it only pretends."""
