"""A stand-in for Oracle GoldenGate in the classic architecture: ggsci, Manager, Extract, pump and Replicat.

It copies what a procedure depends on: replies, log lines, checkpoints, positions and failures.
It is not GoldenGate: trails are JSON lines and the redo comes from PostgreSQL's log.
"""
