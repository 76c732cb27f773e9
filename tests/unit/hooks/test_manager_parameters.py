"""mgr.prm: which statements start a group by themselves."""

from __future__ import annotations

import pytest

from infomart_dr.hooks.manager_parameters import parse_manager_parameters


@pytest.mark.parametrize(
    ("text", "replicat", "extract"),
    [
        ("", [], []),
        ("PORT 7809\nPURGEOLDEXTRACTS ./dirdat/*, USECHECKPOINTS\n", [], []),
        ("AUTOSTART ER *", ["AUTOSTART ER *"], ["AUTOSTART ER *"]),
        ("autostart er *\r\nautorestart er r*\r\n", ["autostart er *", "autorestart er r*"], ["autostart er *"]),
        ("AUTORESTART EXTRACT *, RETRIES 5, WAITMINUTES 1", [], ["AUTORESTART EXTRACT *, RETRIES 5, WAITMINUTES 1"]),
        ("AUTORESTART REP RGI?", ["AUTORESTART REP RGI?"], []),
        ("AUTOSTART REPLICAT rgim", ["AUTOSTART REPLICAT rgim"], []),
        ("AUTOSTART REPLICAT RSALES\nAUTOSTART JAGENT\nAUTOSTART EXT ESALES", [], []),
        ("-- AUTOSTART ER *\n   --AUTORESTART ER *\nCOMMENT AUTOSTART ER *\nPORT 7809 -- AUTOSTART ER *", [], []),
        ("AUTORESTART ER *, &\n  RETRIES 3", ["AUTORESTART ER *, RETRIES 3"], ["AUTORESTART ER *, RETRIES 3"]),
        ("AUTOSTART REPLICAT &\nRGIM", ["AUTOSTART REPLICAT RGIM"], []),
        ('AUTOSTART ER "R*";', ['AUTOSTART ER "R*"'], []),
        ("\ufeffAUTOSTART\tER\t*", ["AUTOSTART\tER\t*"], ["AUTOSTART\tER\t*"]),
    ],
)  # fmt: skip
def test_statements_that_start_a_group(text: str, replicat: list[str], extract: list[str]) -> None:
    found = parse_manager_parameters(text)
    assert [each.text for each in found.starting("REPLICAT", "RGIM")] == replicat
    assert [each.text for each in found.starting("EXTRACT", "EGIM")] == extract
    assert found.elsewhere == ()


def test_parameters_from_elsewhere_are_named() -> None:
    found = parse_manager_parameters("PORT 7809\ninclude ./dirprm/common.mac\nOBEY more.prm\n#starts()\n-- OBEY no.prm")
    assert found.elsewhere == ("include ./dirprm/common.mac", "OBEY more.prm", "#starts()")
