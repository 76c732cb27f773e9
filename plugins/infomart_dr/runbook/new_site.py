"""Return to Normal 3 to 5: people deploy what is missing at the new site, and steps check it."""

from __future__ import annotations

from airflow.sdk import task_group

from infomart_dr.operators import setup
from infomart_dr.runbook.database_transfer import BEFORE_CUTOVER


@task_group(default_args=BEFORE_CUTOVER, tooltip="ICONs collect and the server is deployed: checked, or done by people")
def deploy_new_site() -> None:
    """Human steps, each with exact instructions and a check; nobody is asked where nothing is missing."""
    setup.UseNewSources(task_id="use_new_sources") >> setup.DeployIcons(task_id="deploy_icons", role="target")
    setup.DeployServer(task_id="deploy_info_mart_server", role="target")
