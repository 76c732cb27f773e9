"""The partition ring of an IDB, which overwrites the oldest calls even under a hold."""

from __future__ import annotations

from datetime import datetime, timedelta

from infomart_dr.times import shown

#: Part of the partition ring after which a hold gets a warning.
WARN_AFTER = 0.7


def needed_from(since: datetime, waiting: tuple[datetime, int] | None) -> datetime:
    """Time from which on an IDB may hold calls that are still needed.

    :param since: time at which purging stopped.
    :param waiting: time up to which the IDB is extracted, and the number of calls beyond it; None: unknown.
    """
    return min(since, waiting[0]) if waiting is not None and waiting[1] else since


def ring_warning(since: datetime, now: datetime, ring_days: int | None, waiting: tuple[datetime, int] | None) -> str:
    """The calls that the partition ring will overwrite, and the time; empty while there is enough time.

    :param since: time at which purging stopped.
    :param ring_days: daily partitions; None: the IDB has none.
    :param waiting: time up to which the IDB is extracted, and the number of calls beyond it; None: unknown.
    """
    # The ring overwrites by the age of the calls: those older than the hold go first.
    oldest = needed_from(since, waiting)
    if ring_days is None or (now - oldest) / timedelta(days=ring_days) < WARN_AFTER:
        return ""
    days = f"{(now - oldest) / timedelta(days=1):.1f} of {ring_days} days of the partition ring"
    age = f"extraction is {days} behind" if oldest < since else f"purging has been stopped for {days}"
    if waiting is not None and not waiting[1]:
        return f"{age}; the IDB is extracted up to {shown(waiting[0])}, so nothing would be lost now"
    needed, calls = (since, "calls") if waiting is None else (waiting[0], f"{waiting[1]} call(s)")
    gone = needed + timedelta(days=ring_days)
    left = (gone - now) / timedelta(days=1)
    when = f"in {left:.1f} days, at {shown(gone)}" if left > 0 else f"since {shown(gone)}"
    return (
        f"{age}: {calls} from {shown(needed)} on are overwritten unless they are extracted first, one day of calls "
        f"per day, beginning {when}"
    )
