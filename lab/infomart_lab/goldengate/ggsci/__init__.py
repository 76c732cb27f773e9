"""ggsci: GoldenGate's command interpreter."""
