"""One action each: observe, decide, act, verify."""
