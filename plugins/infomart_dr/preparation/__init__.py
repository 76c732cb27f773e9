"""Preparation before Airflow runs: check the topology, render files, list connections, print procedures."""
