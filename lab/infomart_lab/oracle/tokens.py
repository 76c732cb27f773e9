"""The lexical elements of Oracle's SQL, and the translated statement."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from infomart_lab.oracle.errors import OracleError

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<qstring>[nN]?[qQ]'(?:\[.*?\]'|\{.*?\}'|<.*?>'|\(.*?\)'|(?P<sep>[^\s\[{<(]).*?(?P=sep)'))
    |(?P<string>[nN]?'(?:[^']|'')*')
    |(?P<quoted>"[^"]*")
    |(?P<bind>:\s*(?:"[^"]+"|[A-Za-z][\w$\#]*|\d+))
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][\w$\#]*)
    |(?P<op>\|\||<=|>=|<>|!=|\^=|:=|=>|\*\*|\(\+\)|[-+*/=<>(),.;%@?:\[\]])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Token:
    """A lexical element; ``kind`` is a group name of the token pattern, ``text`` is sent to PostgreSQL."""

    kind: str
    text: str

    @property
    def word(self) -> str:
        """Upper-case text of an unquoted word or operator, else nothing."""
        return self.text.upper() if self.kind in ("word", "op") else ""

    @property
    def name(self) -> str:
        """An identifier as Oracle stores it."""
        return self.text[1:-1] if self.kind == "quoted" else self.text.upper()


@dataclass
class Statement:
    """Instructions to the session for one of Oracle's statements.

    ``kind`` is ``query``, ``dml``, ``call``, ``ddl``, ``session`` (done outside a transaction), ``commit``,
    ``rollback``, ``savepoint``, ``read_only`` or ``nothing``.
    """

    kind: str
    sql: str
    #: Names of the binds in the order in which the client sends them.
    binds: list[str] = field(default_factory=list)
    #: For ``$n`` of the statement: position in ``binds``.
    order: list[int] = field(default_factory=list)
    #: Number of binds at the end that RETURNING ... INTO fills.
    returning: int = 0
    #: Column names that keep their case.
    exact_names: set[str] = field(default_factory=set)
    #: The statement reads CURRENT_SCN; the session replaces ``{scn}`` by it.
    needs_scn: bool = False
    #: ALTER SESSION SET CURRENT_SCHEMA.
    schema: str | None = None
    #: A DBMS_ procedure that commits by itself.
    autonomous: bool = False


def tokens(sql: str) -> list[Token]:
    """Lexical elements without spaces and comments.

    :raises OracleError: ORA-01756 or ORA-00911 for what is not a token.
    """
    found: list[Token] = []
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            if sql[at] in "'\"":
                raise OracleError(1756, "quoted string not properly terminated")
            raise OracleError(911, f"invalid character {sql[at]!r}")
        at = match.end()
        kind = match.lastgroup or ""
        if match.group("qstring"):
            body = match[0][match[0].index("'") + 2 : -2]
            found.append(Token("string", "'" + body.replace("'", "''") + "'"))
        elif kind != "space":
            text = match[0]
            found.append(Token(kind, text.lstrip("nN") if kind == "string" else text))
    while found and found[-1].text == ";":
        found.pop()
    return found


def identifier(name: str) -> str:
    """PostgreSQL's spelling of an Oracle identifier (as Oracle stores it)."""
    lower = name.lower() if name == name.upper() else name
    return lower if re.fullmatch(r"[a-z_][a-z0-9_$]*", lower) else '"' + lower + '"'
