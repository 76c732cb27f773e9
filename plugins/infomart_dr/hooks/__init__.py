"""Hooks, one for each external program or service. Parsing is in pure functions beside the hook."""
