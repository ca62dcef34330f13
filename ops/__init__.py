"""What an operator runs: packaging and deployment."""
