"""Readiness: checks that change nothing, their report, and the list of them for each procedure."""
