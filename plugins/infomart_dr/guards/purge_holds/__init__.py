"""IDB purge holds (rule 8): owner, reason and end of each hold, and its effect on the purge jobs.

The state is in the database of each IDB, in two tables of the connection's own user. So it outlives a lost site,
a lost Airflow and a cleared run, and two Airflows see the same. DR_PURGE_HOLD has one row per hold. DR_PURGE_JOB has
one row per job that a hold has disabled, or found disabled, and that is not given back yet.

Nothing here waits. If a job cannot be changed now because its purge runs, this is reported, and the next check does
it. Two runs at the same time are harmless because of the order: a run that holds writes the hold first and reads the
job after it; a run that gives a job back enables it first and reads the holds after it.
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
