"""Task groups: the chapters of the guide, composed of operators. The only place that knows the order."""
