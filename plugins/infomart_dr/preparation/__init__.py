"""What is needed before Airflow runs: the topology checked, files rendered, connections listed, procedures printed."""
