"""IDB purge holds (rule 8): who holds purging, why and until when, and what that means for the purge jobs.

The state lives in the database of each IDB, in two tables of the connection's own user. So it outlives a lost site,
a lost Airflow and a cleared run, and two Airflows see the same. DR_PURGE_HOLD has a row a hold; DR_PURGE_JOB has a
row for each job that a hold has disabled, or found disabled, and that is not given back yet.

Nothing here waits: what cannot be done now (a purge runs) is said, and done by the next look. The order makes two
runs at the same time harmless: who holds writes the hold first and looks at the job then; who gives a job back
enables it first and looks for holds then.
"""

from __future__ import annotations

from infomart_dr.guards.purge_holds.deployment import PurgeHolds, holds_released
from infomart_dr.guards.purge_holds.idb import IdbHolds, Report, raise_all, typed
from infomart_dr.guards.purge_holds.ring import WARN_AFTER, needed_from, ring_warning
from infomart_dr.guards.purge_holds.store import OWNER_LIMIT, End, HeldJob, Hold, HoldStore, plan_hold

__all__ = [
    "OWNER_LIMIT",
    "WARN_AFTER",
    "End",
    "HeldJob",
    "Hold",
    "HoldStore",
    "IdbHolds",
    "PurgeHolds",
    "Report",
    "holds_released",
    "needed_from",
    "plan_hold",
    "raise_all",
    "ring_warning",
    "typed",
]
