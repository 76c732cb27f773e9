"""Questions about sites and programs that must be answered before a step that cannot be undone."""
