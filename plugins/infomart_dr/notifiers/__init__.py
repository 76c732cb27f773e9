"""Messages to tickets about a run."""
