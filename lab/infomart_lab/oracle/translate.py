"""Oracle statements into PostgreSQL's, by an allow-list that fails loudly.

The translation works on tokens. Unknown tokens pass unchanged to PostgreSQL, whose parser refuses them; a statement
whose first word is not in the list is refused here. Oracle's functions are functions of schema ``sys``, which comes
before ``pg_catalog`` in the search path.
"""

from __future__ import annotations

import re
from functools import lru_cache

from infomart_lab.oracle import logon
from infomart_lab.oracle.ddl import translate_ddl
from infomart_lab.oracle.errors import NotKnown, OracleError
from infomart_lab.oracle.queries import (
    QUERY_WORDS,
    collect_binds,
    end_of_group,
    render,
    rewrite_functions,
    translate_change,
    translate_query,
)
from infomart_lab.oracle.tokens import Statement, Token, identifier, tokens


@lru_cache(maxsize=500)
def translate(sql: str) -> Statement:
    """Translate one statement.

    :param sql: as the client sent it.
    :raises OracleError: ORA-00900 for a statement outside the allow-list; others as Oracle's parser.
    """
    if call := logon.create(sql):
        return Statement("ddl", call)
    items = tokens(sql)
    if not items:
        raise OracleError(900, "invalid SQL statement")
    first = items[0].word or items[0].text
    if first in QUERY_WORDS:
        return translate_query(items, sql)
    if first in ("INSERT", "UPDATE", "DELETE", "MERGE"):
        return translate_change(items, sql)
    if first == "CALL":
        return _call(items[1:], sql)
    if first in ("BEGIN", "DECLARE"):
        return _block(items, sql)
    return translate_ddl(items, sql)


def _call(items: list[Token], sql: str) -> Statement:
    """``CALL owner.package.procedure(arguments)``: packages are PostgreSQL schemas."""
    statement = Statement("call", "")
    statement.binds = collect_binds(items, by_name=True)
    name: list[str] = []
    index = 0
    while index < len(items) and items[index].text != "(":
        if items[index].text != ".":
            if items[index].kind not in ("word", "quoted"):
                raise NotKnown(sql)
            name.append(identifier(items[index].name))
        index += 1
    if not name:
        raise NotKnown(sql)
    arguments = "()"
    if index < len(items):
        end = end_of_group(items, index)
        if end != len(items) - 1:
            raise NotKnown(sql, "more than one procedure call")
        arguments = render(rewrite_functions(items[index:]), statement, named_binds=True)
        arguments = re.sub(r"\bFALSE\b|\bTRUE\b", lambda m: m[0].lower(), arguments)
    if len(name) == 3 or (len(name) == 2 and name[0].startswith("dbms_")):
        name = name[-2:]
    statement.autonomous = name[0].startswith("dbms_")
    statement.sql = f"CALL {'.'.join(name)}{arguments}"
    return statement


def _block(items: list[Token], sql: str) -> Statement:
    """An anonymous block of exactly one procedure call, or of nothing."""
    body = items[1:]
    if items[0].word != "BEGIN" or not body or body[-1].word != "END":
        raise NotKnown(sql, "an anonymous block may hold exactly one procedure call")
    body = body[:-1]
    while body and body[-1].text == ";":
        body.pop()
    if any(t.text == ";" for t in body):
        raise NotKnown(sql, "an anonymous block may hold exactly one procedure call")
    if [t.word for t in body] == ["NULL"]:
        return Statement("nothing", "")
    if len(body) >= 3 and body[0].word == "EXECUTE" and body[1].word == "IMMEDIATE" and body[2].kind == "string":
        if len(body) > 3:
            raise NotKnown(sql, "EXECUTE IMMEDIATE takes one literal")
        return translate(body[2].text[1:-1].replace("''", "'"))
    return _call(body, sql)
