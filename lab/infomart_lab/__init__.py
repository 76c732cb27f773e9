"""Three contact-centre sites on one machine: a rehearsal of disaster recovery without Oracle, GoldenGate or Genesys."""
