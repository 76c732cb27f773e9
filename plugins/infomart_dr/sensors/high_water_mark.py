"""Waits for extraction."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infomart_dr.errors import PermanentError
from infomart_dr.guards.high_water_marks import marks_passed
from infomart_dr.sensors.deployment_sensor import DeploymentSensor

if TYPE_CHECKING:
    from airflow.sdk import Context


class HighWaterMarkSensor(DeploymentSensor):
    """Wait until the high-water marks (CTL_EXTRACT_HWM) of a site have passed a moment.

    Then everything up to that moment is extracted. The sensor does not wait for an idle data source, whose IDBs hold
    no call beyond its mark, nor for one whose T-Server is at a lost site.

    :param moment: ISO time with its zone (``2026-11-02T17:00Z``), epoch seconds, or a ``datetime`` with a zone.
    :param site: empty: the active site.
    :param data_sources: keys (DATA_SOURCE_KEY) to wait for; empty: all that have a mark.
    """

    template_fields: Sequence[str] = (*DeploymentSensor.template_fields, "moment", "site", "data_sources")
    probe = staticmethod(marks_passed)

    def __init__(
        self,
        *,
        moment: str | float | datetime,
        site: str = "",
        data_sources: Sequence[int | str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.moment = moment
        self.site = site
        self.data_sources = data_sources

    def arguments(self, context: Context) -> dict[str, Any]:
        return {"site": self.site, "since": epoch(self.moment), "data_sources": _keys(self.data_sources)}


def epoch(moment: str | float | datetime) -> int:
    """Epoch seconds of a moment, fractions rounded up.

    :raises PermanentError: it is not a moment, or a time without its zone.
    """
    if isinstance(moment, datetime):
        return _of(moment, moment.isoformat())
    text = str(moment).strip()
    # A date without dashes has eight digits, milliseconds have thirteen: neither is accepted as epoch seconds.
    if re.fullmatch(r"\d{9,10}(\.\d+)?", text):
        return math.ceil(float(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise PermanentError(
            f"The moment is not a valid time: {text[:60]!r}.", "Write 2026-11-02T17:00Z, or epoch seconds."
        ) from None
    return _of(found, text)


def _of(moment: datetime, text: str) -> int:
    if moment.tzinfo is None:
        raise PermanentError(
            f"The moment has no time zone: {text[:60]!r}.", "Write 2026-11-02T17:00Z, or 2026-11-02T17:00+01:00."
        )
    return math.ceil(moment.timestamp())


def _keys(given: Sequence[int | str] | str) -> list[int]:
    """Keys of data sources, also from a template that rendered them as one text."""
    texts = re.findall(r"[^\s,\[\]()'\"]+", given) if isinstance(given, str) else [str(key) for key in given]
    if wrong := [text for text in texts if not (text.isdecimal() and len(text) < 40)]:
        raise PermanentError(
            f"The key of a data source is not a number: {wrong[0][:40]!r}.", "Give DATA_SOURCE_KEY, as in CTL_DS."
        )
    return sorted({int(text) for text in texts})
