"""The ETL: jobs that run, and rows that are extracted but not transformed."""

from __future__ import annotations

from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import sorted_names
from infomart_dr.topology import SiteRole


def etl_is_quiet(step: Step, role: SiteRole) -> Observation:
    """Probe: nothing is being extracted or transformed, and no extracted row waits for transformation.

    The high-water mark is replicated; GIDB_G_* and CTL_TRANSFORM_HISTORY are not. So a copy or a cutover
    between extraction and transformation doubles or loses calls.
    """
    database = step.at(role).info_mart
    running = database.select("etl_running", {"schema": step.schema})
    if running:
        return Observation(False, f"ETL is running: {sorted_names([str(row['job']) for row in running])}")
    pending = database.select("etl_pending", {"schema": step.schema})
    if pending:
        rows = sum(int(row["row_count"] or 0) for row in pending)
        return Observation(False, f"{rows} extracted row(s) of {len(pending)} data source(s) are not transformed yet")
    return Observation(True, f"ETL at {step.at(role).name} is idle, and every extracted row is transformed")
