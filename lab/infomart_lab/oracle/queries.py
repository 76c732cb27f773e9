"""Queries and changes of rows into PostgreSQL's."""

from __future__ import annotations

from infomart_lab.oracle.errors import NotKnown, OracleError
from infomart_lab.oracle.tokens import Statement, Token

#: First words of a query.
QUERY_WORDS = ("SELECT", "WITH", "(")
#: Words that a name in PostgreSQL must quote and Oracle need not.
_RESERVED_COLUMNS = {"OFFSET", "LIMIT", "ANALYSE", "ANALYZE", "FREEZE", "VERBOSE", "PLACING", "WINDOW", "DO"}


def end_of_group(items: list[Token], start: int) -> int:
    """Index of the parenthesis that closes the one at ``start``."""
    depth = 0
    for index in range(start, len(items)):
        if items[index].text == "(":
            depth += 1
        elif items[index].text in (")",):
            depth -= 1
            if depth == 0:
                return index
    raise OracleError(907, "missing right parenthesis")


def _arguments(items: list[Token], start: int, end: int) -> list[list[Token]]:
    """Arguments between the parentheses at ``start`` and ``end``."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in items[start + 1 : end]:
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _pg(text: str) -> list[Token]:
    """Tokens of PostgreSQL text that pass unchanged."""
    return [Token("pg", text)]


def rewrite_functions(items: list[Token]) -> list[Token]:
    """DECODE, NVL and LISTAGG, which have no equivalent function in PostgreSQL."""
    index = 0
    while index < len(items):
        word = items[index].word
        if word in ("DECODE", "NVL", "LISTAGG") and index + 1 < len(items) and items[index + 1].text == "(":
            end = end_of_group(items, index + 1)
            parts = _arguments(items, index + 1, end)
            new: list[Token] = []
            if word == "NVL":
                items[index] = Token("pg", "coalesce")
                index += 1
                continue
            if word == "DECODE":
                new += _pg("CASE")
                rest = parts[1:]
                while len(rest) >= 2:
                    new += [*_pg("WHEN ("), *parts[0], *_pg(") IS NOT DISTINCT FROM ("), *rest[0]]
                    new += [*_pg(") THEN"), *rest[1]]
                    rest = rest[2:]
                if rest:
                    new += [*_pg("ELSE"), *rest[0]]
                new += _pg("END")
            else:
                order: list[Token] = []
                if [t.word for t in items[end + 1 : end + 4]] == ["WITHIN", "GROUP", "("]:
                    close = end_of_group(items, end + 3)
                    order = items[end + 4 : close]
                    end = close
                separator = parts[1] if len(parts) > 1 else _pg("''")
                new += [*_pg("string_agg(("), *parts[0], *_pg(")::text,"), *separator, *order, *_pg(")")]
            items[index : end + 1] = new
        index += 1
    return items


_COMPARE = {"<=": 0, "<": -1, "=": 0}


def _rewrite_rownum(items: list[Token], sql: str) -> list[Token]:
    """``ROWNUM <= n`` as a LIMIT at the end of its query block; elsewhere a window function."""
    index = 0
    while index < len(items):
        if items[index].word != "ROWNUM":
            index += 1
            continue
        operator = items[index + 1].text if index + 1 < len(items) else ""
        if operator not in _COMPARE:
            items[index] = Token("pg", "row_number() OVER ()")
            index += 1
            continue
        value = items[index + 2]
        if value.kind not in ("number", "bind"):
            raise NotKnown(sql, "ROWNUM is compared with a number or a bind only")
        end = index + 3
        depth = 0
        while end < len(items) and not (items[end].text == ")" and depth == 0):
            depth += (items[end].text == "(") - (items[end].text == ")")
            if depth == 0 and items[end].word == "ORDER":
                raise NotKnown(sql, "Oracle applies ROWNUM before ORDER BY of the same block; use a subquery")
            end += 1
        bound = [
            *_pg("LIMIT ("),
            value,
            *_pg(f"){'::bigint' if value.kind == 'bind' else ''} {'- 1' if operator == '<' else ''}"),
        ]
        items[end:end] = bound
        items[index : index + 3] = _pg("TRUE")
        index += 1
    return items


def _shown(token: Token) -> str:
    text = token.text.partition("\0")[0]  # without the number of a bind
    return text if token.kind in ("string", "quoted") else text.upper()


def _name_columns(items: list[Token], exact: set[str]) -> None:
    """Give unnamed expressions of the outermost SELECT the heading that Oracle gives them: their text."""
    start = next((i for i, t in enumerate(items) if t.word == "SELECT"), None)
    if items and items[0].word == "WITH":
        depth = 0
        start = None
        for i, token in enumerate(items):
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0 and token.word == "SELECT":
                start = i
                break
    if start is None:
        return
    start += 1
    if start < len(items) and items[start].word in ("DISTINCT", "UNIQUE", "ALL"):
        if items[start].word == "UNIQUE":
            items[start] = Token("word", "DISTINCT")
        start += 1
    end, depth = start, 0
    while end < len(items):
        depth += (items[end].text == "(") - (items[end].text == ")")
        if depth == 0 and items[end].word in ("FROM", "UNION", "MINUS", "INTERSECT"):
            break
        end += 1
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in items[start:end]:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    named: list[Token] = []
    for number, part in enumerate(parts):
        if number:
            named.append(Token("op", ","))
        named += part
        if not part:
            continue
        last = part[-1]
        is_name = last.kind in ("word", "quoted")
        plain = all(t.kind in ("word", "quoted") if i % 2 == 0 else t.text == "." for i, t in enumerate(part))
        if last.text == "*" and (len(part) == 1 or part[-2].text == "."):
            continue
        if (
            plain
            and is_name
            and last.word
            not in (
                "SYSDATE",
                "SYSTIMESTAMP",
                "USER",
                "ROWNUM",
                "NEXTVAL",
                "CURRVAL",
                "GET_SYSTEM_CHANGE_NUMBER",
                "NULL",
            )
        ):
            if last.kind == "quoted" and last.name != last.name.upper():
                exact.add(last.name)
            continue
        if (
            len(part) > 1
            and is_name
            and last.word != "END"
            and (
                part[-2].word == "AS"
                or part[-2].kind in ("word", "quoted", "number", "string", "bind")
                or part[-2].text == ")"
            )
            and part[-2].word not in ("IS", "NOT")
        ):
            if last.kind == "quoted" and last.name != last.name.upper():
                exact.add(last.name)
            if part[-2].word != "AS":
                named.insert(len(named) - 1, Token("word", "AS"))
            continue
        heading = "".join(_shown(t) for t in part)
        if plain and len(part) > 1:
            heading = last.text.upper()
        heading = heading.replace('"', "")[:60]
        exact.add(heading)
        named += _pg('AS "' + heading + '"')
    items[start:end] = named


def render(items: list[Token], statement: Statement, named_binds: bool) -> str:
    """PostgreSQL's text of the tokens; fills the statement's binds."""
    out: list[str] = []
    occurrence = 0
    index = 0
    while index < len(items):
        token = items[index]
        word = token.word
        following = items[index + 1].text if index + 1 < len(items) else ""
        before = items[index - 1].text if index else ""
        if token.kind == "bind":
            name = token.text[1:].strip().strip('"').upper()
            if named_binds:
                position = statement.binds.index(name)
            else:
                position = int(token.text.rpartition("\0")[2]) if "\0" in token.text else occurrence
            occurrence += 1
            statement.order.append(position)
            out.append(f"${len(statement.order)}")
        elif token.kind == "string":
            out.append("NULL" if token.text == "''" else token.text)
        elif token.kind == "quoted":
            out.append(
                '"' + (token.name.lower() if token.name == token.name.upper() else token.name) + '"'
                if token.name not in statement.exact_names
                else token.text
            )
        elif word == "(+)":
            raise OracleError(900, "lab: statement not known to the lab's listener: outer join by (+)")
        elif word == "SYSDATE":
            out.append("sys.sysdate()")
        elif word == "SYSTIMESTAMP":
            out.append("sys.systimestamp()")
        elif word == "USER" and before != "." and following != ".":
            out.append("sys.oracle_user()")
        elif word == "MINUS":
            out.append("EXCEPT")
        elif word in ("NEXTVAL", "CURRVAL") and before == ".":
            out.pop()
            sequence = out.pop()
            if out and out[-1] == ".":
                out.pop()
                sequence = out.pop() + "." + sequence
            out.append(f"{word.lower()}('{sequence}')")
        elif word == "GET_SYSTEM_CHANGE_NUMBER" and before == ".":
            out.pop()
            out.pop()
            statement.needs_scn = True
            out.append("{scn}::numeric")
        elif word == "/":
            out.append("* 1.0 /")
        elif word == "^=":
            out.append("<>")
        elif word == "NUMBER" and (before.upper() in ("AS",) or before == "::"):
            out.append("numeric")
        elif word in ("VARCHAR2", "NVARCHAR2"):
            out.append("varchar")
        elif word in ("CHAR", "BYTE") and before and items[index - 1].kind == "number" and following == ")":
            pass  # VARCHAR2(30 CHAR)
        elif word == "CLOB" and before.upper() == "AS":
            out.append("text")
        elif word == "DATE" and before.upper() == "AS" and following == ")":
            out.append("timestamp(0)")
        elif token.kind == "word":
            if "#" in token.text or (word in _RESERVED_COLUMNS and following != "(" and before == "."):
                out.append('"' + token.text.lower() + '"')
            else:
                out.append(token.text)
        else:
            out.append(token.text)
        index += 1
    return " ".join(out).replace(" . ", ".")


def _scn(items: list[Token], statement: Statement) -> None:
    """CURRENT_SCN of V$DATABASE becomes a place for the exact number."""
    if not any(t.kind in ("word", "quoted") and t.name == "V$DATABASE" for t in items):
        return
    index = 0
    while index < len(items):
        if (
            items[index].kind in ("word", "quoted")
            and items[index].name == "CURRENT_SCN"
            and not (index and items[index - 1].word == "AS")
        ):
            start = index
            while start >= 2 and items[start - 1].text == ".":
                start -= 2
            statement.needs_scn = True
            top = index + 1 >= len(items) or items[index + 1].text == "," or items[index + 1].word == "FROM"
            bare = start == 0 or items[start - 1].text == "," or items[start - 1].word == "SELECT"
            items[start : index + 1] = _pg("{scn}::numeric" + (" AS current_scn" if top and bare else ""))
            index = start
        index += 1


def _drop_target_alias(items: list[Token]) -> None:
    """``SET t.a = ...`` as ``SET a = ...``, in UPDATE and MERGE."""
    index, depth = 0, 0
    in_set = expecting = False
    while index < len(items):
        word = items[index].word
        depth += (word == "(") - (word == ")")
        if word == "SET" and depth == 0:
            in_set = expecting = True
        elif in_set and depth == 0 and word in ("WHERE", "WHEN", "RETURNING", "FROM"):
            in_set = False
        elif in_set and depth == 0 and word == ",":
            expecting = True
        elif in_set and expecting and depth == 0:
            while index + 1 < len(items) and items[index + 1].text == ".":
                del items[index : index + 2]
            expecting = False
        index += 1


def _returning(items: list[Token], statement: Statement) -> list[Token]:
    """Cut ``INTO :a, :b`` off a RETURNING clause."""
    words = [t.word for t in items]
    for verb in ("RETURNING", "RETURN"):
        if verb in words:
            at = words.index(verb)
            if "INTO" in words[at:]:
                into = at + words[at:].index("INTO")
                statement.returning = sum(1 for t in items[into:] if t.kind == "bind")
                items[at] = Token("word", "RETURNING")
                return items[:into]
    return items


def collect_binds(items: list[Token], *, by_name: bool) -> list[str]:
    names: list[str] = []
    for token in items:
        if token.kind == "bind":
            name = token.text[1:].strip().strip('"').upper()
            if not by_name or name not in names:
                if not by_name:
                    token.text = f":{name}\0{len(names)}"
                names.append(name)
    return names


def _rewrite_dml_rownum(items: list[Token], sql: str) -> list[Token]:
    """``DELETE ... WHERE ... AND ROWNUM <= n``: deletion in batches by ctid."""
    words = [t.word for t in items]
    if "ROWNUM" not in words:
        return items
    if words[0] == "DELETE" and "WHERE" in words:
        where = words.index("WHERE")
        table = items[2:where]
        inner = _rewrite_rownum([*_pg("SELECT ctid FROM"), *table, *items[where:]], sql)
        return [*items[:2], *table, *_pg("WHERE ctid IN ("), *inner, *_pg(")")]
    if "SELECT" in words:
        at = words.index("SELECT")
        return [*items[:at], *_rewrite_rownum(items[at:], sql)]
    raise NotKnown(sql, "ROWNUM in this place")


def translate_query(items: list[Token], sql: str) -> Statement:
    """SELECT, WITH or a query in parentheses.

    :param items: tokens of the statement.
    :param sql: as the client sent it.
    """
    statement = Statement("query", "")
    statement.binds = collect_binds(items, by_name=False)
    _name_columns(items, statement.exact_names)
    _scn(items, statement)
    items = rewrite_functions(_rewrite_rownum(items, sql))
    words = [t.word for t in items]
    if "UPDATE" in words and words[words.index("UPDATE") - 1] == "FOR":
        statement.kind = "dml_query"
        at = words.index("UPDATE")
        if words[at + 1 : at + 2] == ["OF"]:
            end = at + 2
            while end < len(words) and words[end] not in ("NOWAIT", "SKIP", "WAIT"):
                end += 1
            del items[at + 1 : end]
    statement.sql = render(items, statement, named_binds=False)
    return statement


def translate_change(items: list[Token], sql: str) -> Statement:
    """INSERT, UPDATE, DELETE or MERGE.

    :param items: tokens of the statement.
    :param sql: as the client sent it.
    """
    statement = Statement("dml", "")
    statement.binds = collect_binds(items, by_name=False)
    first = items[0].word
    if first == "DELETE" and items[1].word != "FROM":
        items.insert(1, Token("word", "FROM"))
    if first in ("UPDATE", "MERGE"):
        _drop_target_alias(items)
    items = _returning(items, statement)
    items = rewrite_functions(_rewrite_dml_rownum(items, sql))
    statement.sql = render(items, statement, named_binds=False)
    return statement
