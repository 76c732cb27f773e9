"""Triggers AFTER LOGON ON DATABASE: what their body compares, and the refusal that a client sees.

Such a trigger is a row of ``sys.lab_logon_triggers``, and an event trigger of PostgreSQL reads it at each login. A body
that is not understood makes the trigger invalid: enabled, it refuses everybody, as in Oracle (ORA-04098).
"""

from __future__ import annotations

import re

_HEAD = re.compile(
    r"""\s*create\s+(?:or\s+replace\s+)?trigger\s+(?:(?P<owner>"[^"]+"|[\w$#]+)\s*\.\s*)?(?P<name>"[^"]+"|[\w$#]+)
        \s+after\s+logon\s+on\s+database(?P<disabled>\s+disable)?\s+(?P<body>declare\b.*)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_USER = re.compile(r"sys_context\('USERENV', 'SESSION_USER'\) = '(\w+)'")
_LISTS = {
    "machines": re.compile(r"\bmachine in \(([^)]*)\)"),
    "labels": re.compile(r"\bregexp_substr\(machine, '\^\[\^\.\]\+'\) in \(([^)]*)\)"),
    "addresses": re.compile(r"\baddress in \(([^)]*)\)"),
}
_ERROR = re.compile(r"raise_application_error\(\s*-(\d{5}),\s*'((?:[^']|'')*)'")


def _literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def _array(items: list[str]) -> str:
    return f"ARRAY[{', '.join(map(_literal, items))}]::text[]"


def create(sql: str) -> str | None:
    """The call that stores a trigger; None: the statement is another one.

    :param sql: as the client sent it.
    """
    head = _HEAD.match(sql)
    if head is None:
        return None
    body = head["body"]
    user, error = _USER.search(body), _ERROR.search(body)
    lists = {name: pattern.search(body) for name, pattern in _LISTS.items()}
    compared = {name: re.findall(r"'([^']*)'", found[1]) if found else [] for name, found in lists.items()}
    valid = bool(user and error and any(compared.values()) and re.search(r"\bend;\s*$", body, re.IGNORECASE))
    values = [
        _literal(_name(head["owner"])),
        _literal(_name(head["name"])),
        _literal(body),
        str(valid).lower(),
        _literal(user[1] if user else None),
        *(_array(compared[name]) for name in _LISTS),
        _literal(f"ORA-{error[1]}: {error[2]}" if error else None),
        str(not head["disabled"]).lower(),
    ]
    return f"CALL sys.create_logon_trigger({', '.join(values)})"


def _name(text: str | None) -> str | None:
    return text if text is None else text[1:-1] if text.startswith('"') else text.upper()


def refusal(message: str) -> tuple[int, str] | None:
    """Oracle's number and text of a refused logon; None: the connection failed for another reason.

    :param message: of libpq.
    """
    found = re.search(r"\bORA-(\d{5}): (.*)", message, re.DOTALL)
    return (int(found[1]), found[2].strip()) if found else None
