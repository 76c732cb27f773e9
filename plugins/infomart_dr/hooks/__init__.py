"""One external program or service each; parsing is in pure functions beside the hook that needs it."""
