"""Release of a Data Pump client, from its help text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.hooks.gg_sample import make_topology

from infomart_dr.errors import UnexpectedReplyError
from infomart_dr.hooks.data_pump import DataPump
from infomart_dr.hooks.remote_host import Completed


class Host:
    def __init__(self, done: Completed) -> None:
        self.done, self.asked = done, []  # type: ignore[var-annotated]

    def run(self, argv: list[str], **_: Any) -> Completed:
        self.asked.append(argv)
        return self.done


def pump(stdout: str, stderr: str = "", code: int = 0) -> tuple[Host, DataPump]:
    host = Host(Completed(code, stdout, stderr))
    site = next(iter(make_topology().sites.values()))
    return host, DataPump(host, site, SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("\nExport: Release 19.0.0.0.0 - Production on Tue Nov 3 17:02:11 2026\nVersion 19.3.0.0.0\n", "19.0.0.0.0"),
        ("\nImport: Release 11.2.0.1.0 - Production on Tue Nov 3 17:02:11 2026\n", "11.2.0.1.0"),
    ],
)
def test_the_release_stands_in_the_clients_banner(text: str, release: str) -> None:
    host, made = pump(text)
    assert made.release("expdp") == release
    assert host.asked[0][-1] == "help=yes"


def test_a_client_that_does_not_start_is_reported_with_its_words() -> None:
    _, made = pump("", "expdp: error while loading shared libraries", 127)
    with pytest.raises(UnexpectedReplyError, match="shared libraries"):
        made.release("expdp")
