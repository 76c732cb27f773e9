"""Oracle's DDL, grants and session statements into PostgreSQL's."""

from __future__ import annotations

import re

from infomart_lab.oracle.errors import NotKnown, OracleError
from infomart_lab.oracle.queries import translate_query
from infomart_lab.oracle.tokens import Statement, Token, identifier, tokens

#: Physical attributes that PostgreSQL does not have: name -> number of words after it.
_ATTRIBUTES = {
    "TABLESPACE": 1,
    "PCTFREE": 1,
    "PCTUSED": 1,
    "INITRANS": 1,
    "MAXTRANS": 1,
    "NOLOGGING": 0,
    "LOGGING": 0,
    "NOPARALLEL": 0,
    "ONLINE": 0,
    "COMPRESS": 0,
    "NOCOMPRESS": 0,
    "REVERSE": 0,
    "LOCAL": 0,
    "VISIBLE": 0,
    "NOMONITORING": 0,
}
_STATES = ("ENABLE", "DISABLE", "VALIDATE", "NOVALIDATE")
_TYPES = {
    "VARCHAR2": "varchar",
    "NVARCHAR2": "varchar",
    "CHAR": "char",
    "DATE": "timestamp(0)",
    "CLOB": "text",
    "NCLOB": "text",
    "BLOB": "bytea",
    "RAW": "bytea",
    "LONG": "text",
    "FLOAT": "numeric",
    "BINARY_DOUBLE": "double precision",
    "BINARY_FLOAT": "real",
    "INTEGER": "numeric(38)",
    "INT": "numeric(38)",
}


def text_of(items: list[Token]) -> str:
    """PostgreSQL's text of tokens that need no rewriting."""
    out: list[str] = []
    for token in items:
        if token.kind == "quoted":
            out.append(identifier(token.name))
        elif token.word == "SYSDATE":
            out.append("sys.sysdate()")
        elif token.word == "SYSTIMESTAMP":
            out.append("sys.systimestamp()")
        elif token.kind == "word" and "#" in token.text:
            out.append('"' + token.text.lower() + '"')
        elif token.kind == "bind":
            raise OracleError(1027, "bind variables not allowed for data definition operations")
        else:
            out.append(token.text)
    return re.sub(r" ?\. ?", ".", " ".join(out))


def name_at(items: list[Token], index: int) -> tuple[str, int]:
    """A possibly qualified name at ``index``, in PostgreSQL's spelling, and the index after it."""
    if index >= len(items) or items[index].kind not in ("word", "quoted"):
        raise OracleError(903, "invalid table name")
    parts = [identifier(items[index].name)]
    index += 1
    while index + 1 < len(items) and items[index].text == ".":
        parts.append(identifier(items[index + 1].name))
        index += 2
    return ".".join(parts), index


def _without_attributes(items: list[Token]) -> list[Token]:
    """Tokens without storage clauses."""
    kept: list[Token] = []
    index = 0
    while index < len(items):
        word = items[index].word
        if word in ("STORAGE",) and index + 1 < len(items) and items[index + 1].text == "(":
            while items[index].text != ")":
                index += 1
        elif word == "PARALLEL":
            index += 1 if index + 1 < len(items) and items[index + 1].kind == "number" else 0
        elif word in _ATTRIBUTES:
            index += _ATTRIBUTES[word]
        else:
            kept.append(items[index])
        index += 1
    return kept


def _column_types(items: list[Token]) -> str:
    """Column definitions with PostgreSQL's types."""
    out: list[str] = []
    index = 0
    while index < len(items):
        token = items[index]
        word, before = token.word, items[index - 1] if index else Token("op", "")
        following = items[index + 1].text if index + 1 < len(items) else ""
        is_type = before.kind in ("word", "quoted") and before.text != "."
        if word == "NUMBER" and is_type:
            inside = [t.text for t in items[index + 2 : index + 5]] if following == "(" else []
            if inside[:1] and inside[0].isdigit() and inside[1] == ")":
                out.append("bigint" if int(inside[0]) <= 18 else f"numeric({inside[0]})")
                index += 4
                continue
            if inside[:1] == ["*"]:
                out.append("numeric")
                while items[index].text != ")":
                    index += 1
                index += 1
                continue
            out.append("numeric")
        elif word in _TYPES and is_type:
            out.append(_TYPES[word])
            if word in ("RAW", "FLOAT") and following == "(":
                index += 3
        elif (word in ("CHAR", "BYTE") and before.kind == "number") or word in (
            "ENABLE",
            "DISABLE",
            "VALIDATE",
            "NOVALIDATE",
        ):
            pass
        elif word == "USING" and following.upper() == "INDEX":
            index += 1
        elif word == "DEFAULT" and following.upper() == "ON":
            raise NotKnown("CREATE TABLE", "DEFAULT ON NULL")
        else:
            out.append(text_of([token]))
        index += 1
    return re.sub(r" ?\. ?", ".", " ".join(out))


def _ddl(sql: str) -> Statement:
    return Statement("ddl", sql)


def _query_behind_as(sql: str) -> Statement:
    """The query of CREATE TABLE or CREATE VIEW, translated."""
    query = re.split(r"(?i)\bas\b(?=\s*[(\s]*(?:select|with)\b)", sql, maxsplit=1)[1]
    return translate_query(tokens(query), query)


def _create(items: list[Token], words: list[str], sql: str) -> Statement:
    index = 1
    replace = ""
    if words[1:3] == ["OR", "REPLACE"]:
        index, replace = 3, "OR REPLACE "
    kind = words[index]
    if kind == "GLOBAL" and words[index + 1] == "TEMPORARY":
        raise NotKnown(sql, "temporary tables")
    if kind == "TABLE":
        name, after = name_at(items, index + 1)
        rest = _without_attributes(items[after:])
        if rest and rest[0].word == "AS":
            query = _query_behind_as(sql)
            if query.needs_scn or query.binds:
                raise NotKnown(sql)
            return _ddl(f"CREATE TABLE {name} AS {query.sql}")
        if rest and any(t.word == "PARTITION" for t in rest):
            raise NotKnown(sql, "partitioned tables")
        return _ddl(f"CREATE TABLE {name} {_column_types(rest)}")
    if kind in ("INDEX", "UNIQUE"):
        unique = "UNIQUE " if kind == "UNIQUE" else ""
        at = index + (2 if unique else 1)
        name, after = name_at(items, at)
        if items[after].word != "ON":
            raise NotKnown(sql)
        table, after = name_at(items, after + 1)
        definition = text_of(_without_attributes(items[after:]))
        schema = name.partition(".")[0] if "." in name else ""
        if schema and "." not in table:
            table = f"{schema}.{table}"
        return _ddl(f"CREATE {unique}INDEX {name.rpartition('.')[2]} ON {table} {definition}")
    if kind == "SEQUENCE":
        name, after = name_at(items, index + 1)
        return _ddl(f"CREATE SEQUENCE {name} {_sequence_options(items[after:], sql)}")
    if kind == "VIEW" or (kind == "FORCE" and words[index + 1] == "VIEW"):
        at = words.index("VIEW")
        name, after = name_at(items, at + 1)
        columns = text_of(items[after : after + words[after:].index("AS")])
        query = _query_behind_as(sql)
        return _ddl(f"CREATE {replace}VIEW {name} {columns} AS {query.sql}")
    if kind == "DIRECTORY" and items[index + 2].word == "AS" and items[index + 3].kind == "string":
        return _ddl(
            "INSERT INTO sys.lab_directories(directory_name, directory_path) "
            f"VALUES ('{items[index + 1].name}', {items[index + 3].text}) "
            "ON CONFLICT (directory_name) DO UPDATE SET directory_path = excluded.directory_path"
        )
    if kind == "SYNONYM" or kind == "PUBLIC":
        raise NotKnown(sql, "synonyms")
    raise NotKnown(sql)


def _sequence_options(items: list[Token], sql: str) -> str:
    known = {
        "START",
        "WITH",
        "INCREMENT",
        "BY",
        "CACHE",
        "NOCACHE",
        "CYCLE",
        "NOCYCLE",
        "ORDER",
        "NOORDER",
        "MINVALUE",
        "MAXVALUE",
        "NOMINVALUE",
        "NOMAXVALUE",
        "RESTART",
        "KEEP",
        "NOKEEP",
    }
    out: list[str] = []
    for index, token in enumerate(items):
        if token.kind == "number":
            # Oracle's default MAXVALUE has 28 digits, a PostgreSQL sequence is a bigint
            out.append(token.text if len(token.text) < 19 else "9223372036854775807")
        elif token.text == "-":
            out.append("-")
        elif token.word not in known:
            raise NotKnown(sql, f"{token.text} of a sequence")
        elif token.word in ("ORDER", "NOORDER", "KEEP", "NOKEEP"):
            continue
        elif token.word == "NOCACHE":
            out.append("CACHE 1")
        elif token.word == "NOCYCLE":
            out.append("NO CYCLE")
        elif token.word in ("NOMINVALUE", "NOMAXVALUE"):
            out.append("NO " + token.word[2:])
        elif token.word == "START" and index and items[index - 1].word == "RESTART":
            continue  # RESTART START WITH n
        else:
            out.append(token.word)
    return " ".join(out)


def _drop(items: list[Token], words: list[str], sql: str) -> Statement:
    kind = words[1]
    if kind == "DIRECTORY":
        return _ddl(f"DELETE FROM sys.lab_directories WHERE directory_name = '{items[2].name}'")
    if kind == "USER":
        return _ddl(f"CALL sys.drop_user('{items[2].name}', {str('CASCADE' in words).lower()})")
    if kind in ("VIEW", "SYNONYM", "PROCEDURE", "FUNCTION", "PACKAGE", "TYPE", "MATERIALIZED"):
        two = kind == "MATERIALIZED"
        return _drop_code("MATERIALIZED VIEW" if two else kind, items[3 if two else 2 :], sql)
    if kind not in ("TABLE", "INDEX", "SEQUENCE", "TRIGGER"):
        raise NotKnown(sql)
    name, after = name_at(items, 2)
    rest = words[after:]
    if kind == "TRIGGER":
        return _ddl(f"CALL sys.drop_trigger('{name}')")
    cascade = " CASCADE" if rest[:2] == ["CASCADE", "CONSTRAINTS"] or "CASCADE" in rest else ""
    if set(rest) - {"CASCADE", "CONSTRAINTS", "PURGE", "FORCE", "ONLINE"}:
        raise NotKnown(sql)
    if kind == "SEQUENCE":
        # Oracle drops a sequence that is a column's default; PostgreSQL then drops the default too.
        cascade = " CASCADE"
    return _ddl(f"DROP {kind} {name}{cascade}")


def _drop_code(kind: str, items: list[Token], sql: str) -> Statement:
    """DROP of an object other than a table; views on it become invalid, and packages are rows of the lab."""
    names = [token.name for token in items if token.kind in ("word", "quoted")]
    if len(names) not in (1, 2) or len(items) != 2 * len(names) - 1:
        raise NotKnown(sql)
    owner = f"'{names[0]}'" if len(names) == 2 else "upper(session_user)"
    return _ddl(f"CALL sys.drop_code('{kind}', {owner}, '{names[-1]}')")


def _alter(items: list[Token], words: list[str], sql: str) -> Statement:
    kind = words[1]
    if kind == "SESSION":
        return _alter_session(items, words, sql)
    if kind == "SEQUENCE":
        name, after = name_at(items, 2)
        return _ddl(f"ALTER SEQUENCE {name} {_sequence_options(items[after:], sql)}")
    if kind == "SYSTEM":
        return _alter_system(items, words, sql)
    if kind == "DATABASE":
        if words[2:4] in (["ADD", "SUPPLEMENTAL"], ["DROP", "SUPPLEMENTAL"]):
            value = "YES" if words[2] == "ADD" else "NO"
            return _ddl(f"UPDATE sys.lab_parameters SET value = '{value}' WHERE name = 'supplemental_log_data_min'")
        if words[2:] in (["FORCE", "LOGGING"], ["NO", "FORCE", "LOGGING"]):
            value = "NO" if words[2] == "NO" else "YES"
            return _ddl(f"UPDATE sys.lab_parameters SET value = '{value}' WHERE name = 'force_logging'")
        raise NotKnown(sql)
    if kind == "INDEX":
        name, after = name_at(items, 2)
        rest = words[after:]
        if rest[:2] == ["REBUILD", "PARTITION"]:
            return _ddl(f"CALL sys.rebuild_index_partition('{name}', '{items[after + 2].name}')")
        if rest[:1] == ["REBUILD"]:
            return _ddl(f"CALL sys.rebuild_index('{name}')")
        if rest == ["UNUSABLE"]:
            return _ddl(f"CALL sys.unusable_index('{name}')")
        if rest[:2] == ["RENAME", "TO"]:
            return _ddl(f"ALTER INDEX {name} RENAME TO {identifier(items[after + 2].name)}")
        if rest[:1] in (["NOPARALLEL"], ["PARALLEL"], ["LOGGING"], ["NOLOGGING"]):
            return Statement("nothing", "")
        raise NotKnown(sql)
    if kind == "TRIGGER":
        name, after = name_at(items, 2)
        if words[after:] in (["ENABLE"], ["DISABLE"]):
            return _ddl(f"CALL sys.alter_trigger('{name}', '{words[after]}')")
        raise NotKnown(sql)
    if kind == "TABLE":
        name, after = name_at(items, 2)
        rest = words[after:]
        if rest[:2] == ["ADD", "SUPPLEMENTAL"]:
            return _ddl(f"CALL sys.add_log_group('{name}')")
        if rest[:2] == ["DROP", "SUPPLEMENTAL"]:
            return _ddl(f"CALL sys.drop_log_group('{name}')")
        if rest[:2] in (["ENABLE", "CONSTRAINT"], ["DISABLE", "CONSTRAINT"]):
            return _ddl(f"CALL sys.alter_constraint('{name}', '{identifier(items[after + 2].name)}', '{rest[0]}')")
        if rest[1:] == ["ALL", "TRIGGERS"]:
            return _ddl(f"ALTER TABLE {name} {rest[0]} TRIGGER USER")
        if rest[:1] == ["ADD"]:
            body = items[after + 1 :]
            if body and body[0].text == "(" and body[-1].text == ")":
                body = body[1:-1]
            words_of_body = [t.word for t in body]
            if any(w == "," for w in words_of_body) and "CONSTRAINT" not in words_of_body:
                raise NotKnown(sql, "one column at a time")
            return _ddl(f"ALTER TABLE {name} ADD {_column_types(_without_attributes(body))}")
        if rest[:2] in (["DROP", "CONSTRAINT"], ["DROP", "COLUMN"]):
            cascade = " CASCADE" if "CASCADE" in rest else ""
            return _ddl(f"ALTER TABLE {name} DROP {rest[1]} {identifier(items[after + 2].name)}{cascade}")
        if rest[:2] == ["RENAME", "TO"]:
            return _ddl(f"ALTER TABLE {name} RENAME TO {identifier(items[after + 2].name)}")
        if rest[:1] in (["NOPARALLEL"], ["PARALLEL"], ["LOGGING"], ["NOLOGGING"], ["MOVE"]):
            return Statement("nothing", "")
    raise NotKnown(sql)


def _alter_session(items: list[Token], words: list[str], sql: str) -> Statement:
    if words[2:3] == ["SET"] and len(items) >= 6 and items[4].text == "=":
        if words[3] == "CURRENT_SCHEMA":
            return Statement("nothing", "", schema=items[5].name)
        if words[3] in ("CONTAINER",):
            raise NotKnown(sql, "the lab has no pluggable databases")
        return Statement("nothing", "")
    if words[2:4] in (["ENABLE", "PARALLEL"], ["DISABLE", "PARALLEL"], ["FORCE", "PARALLEL"]):
        return Statement("nothing", "")
    raise NotKnown(sql)


def _alter_system(items: list[Token], words: list[str], sql: str) -> Statement:
    if words[2:4] == ["KILL", "SESSION"] and items[4].kind == "string":
        session = re.fullmatch(r"'(\d+)\s*,\s*(\d+)(?:\s*,\s*@\d+)?'", items[4].text)
        if session is None:
            raise OracleError(26, "missing or invalid session ID")
        return _ddl(f"CALL sys.kill_session({session[1]}, {session[2]})")
    if words[2:3] == ["SET"] and len(items) >= 6 and items[4].text == "=":
        value = items[5].text.strip("'").replace("'", "''")
        return _ddl(f"CALL sys.alter_system('{items[3].name.lower()}', '{value}')")
    if words[2:] in (["SWITCH", "LOGFILE"], ["ARCHIVE", "LOG", "CURRENT"], ["CHECKPOINT"]):
        return Statement("nothing", "")
    raise NotKnown(sql)


def translate_ddl(items: list[Token], sql: str) -> Statement:
    """Translate all statements other than queries, DML and calls.

    :param items: tokens of the statement.
    :param sql: as the client sent it.
    :raises OracleError: ORA-00900 for a statement outside the allow-list.
    """
    words = [t.word for t in items]
    first = words[0]
    try:
        if first == "CREATE":
            return _create(items, words, sql)
        if first == "DROP":
            return _drop(items, words, sql)
        if first == "ALTER":
            return _alter(items, words, sql)
        if first == "TRUNCATE" and words[1] == "TABLE":
            name, after = name_at(items, 2)
            if set(words[after:]) - {"DROP", "REUSE", "STORAGE", "CASCADE"}:
                raise NotKnown(sql)
            return _ddl(f"TRUNCATE TABLE {name}" + (" CASCADE" if "CASCADE" in words[after:] else ""))
        if first in ("GRANT", "REVOKE"):
            return _grant(items, words, sql)
        if first == "COMMENT":
            return _ddl(text_of(items))
        if first == "LOCK" and words[1] == "TABLE":
            name, after = name_at(items, 2)
            return Statement("lock", f"LOCK TABLE {name} {text_of(items[after:])}")
        if first == "COMMIT":
            return Statement("commit", "")
        if first == "ROLLBACK":
            if words[1:2] == ["TO"]:
                return Statement("savepoint", f"ROLLBACK TO SAVEPOINT {identifier(items[-1].name)}")
            return Statement("rollback", "")
        if first == "SAVEPOINT":
            return Statement("savepoint", f"SAVEPOINT {identifier(items[1].name)}")
        if first == "SET" and words[1:4] == ["TRANSACTION", "READ", "ONLY"]:
            return Statement("read_only", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if first == "SET" and words[1:5] == ["TRANSACTION", "ISOLATION", "LEVEL", "SERIALIZABLE"]:
            return Statement("read_only", "BEGIN ISOLATION LEVEL REPEATABLE READ")
        if first == "SET" and words[1:2] in (["ROLE"], ["TRANSACTION"]):
            return Statement("nothing", "")
        if first == "ANALYZE" and words[1] == "TABLE":
            name, _ = name_at(items, 2)
            return _ddl(f"ANALYZE {name}")
    except IndexError:
        raise OracleError(900, "invalid SQL statement") from None
    raise NotKnown(sql)


def _grant(items: list[Token], words: list[str], sql: str) -> Statement:
    if "ON" in words:
        on = words.index("ON")
        preposition = "TO" if words[0] == "GRANT" else "FROM"
        to = words.index(preposition, on)
        if words[on + 1 : on + 2] == ["SYS"] and words[0] == "GRANT":
            array = "ARRAY[" + ", ".join(f"'{w}'" for w in words[1:on] if w != ",") + "]"
            return _ddl(f"CALL sys.grant_object({array}, 'SYS', '{items[on + 3].name}', '{items[to + 1].name}')")
        privileges = ", ".join(w for w in words[1:on] if w != ",")
        if set(words[1:on]) - {"SELECT", "INSERT", "UPDATE", "DELETE", "ALL", "REFERENCES", ",", "READ", "ALTER"}:
            raise NotKnown(sql)
        privileges = privileges.replace("READ", "SELECT").replace(", ALTER", "").replace("ALTER", "SELECT")
        name, _ = name_at(items, on + 1)
        grantees = ", ".join(
            "PUBLIC" if t.word == "PUBLIC" else identifier(t.name)
            for t in items[to + 1 :]
            if t.kind in ("word", "quoted") and t.word not in ("WITH", "GRANT", "OPTION")
        )
        return _ddl(f"{words[0]} {privileges} ON {name} {preposition} {grantees}")
    # system privileges and roles have no object in PostgreSQL: kept for USER_SYS_PRIVS
    preposition = "TO" if words[0] == "GRANT" else "FROM"
    to = words.index(preposition)
    what = " ".join(t.name for t in items[1:to] if t.text != ",")
    if not re.fullmatch(r"[A-Z0-9_ ]+", what):
        raise NotKnown(sql)
    privileges_list = [
        p.strip() for p in re.split(r"\s*,\s*", " ".join(t.name if t.text != "," else "," for t in items[1:to]))
    ]
    array = "ARRAY[" + ", ".join(f"'{p}'" for p in privileges_list) + "]"
    return _ddl(f"CALL sys.{words[0].lower()}_privilege({array}, '{items[to + 1].name}')")
