"""The fault matrix: each step of each procedure, with a fault at each of its moments."""
