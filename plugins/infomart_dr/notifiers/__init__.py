"""What the outside world is told of a run."""
