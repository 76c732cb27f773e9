"""A plan: its roles and hooks, its lock, and the facts that it remembers."""
