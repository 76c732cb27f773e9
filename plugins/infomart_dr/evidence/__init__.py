"""The evidence of runs and surveys: manifests, estimates, marks, findings, undelivered messages."""
