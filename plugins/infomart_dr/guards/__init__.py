"""What must hold before a step that cannot be undone."""
