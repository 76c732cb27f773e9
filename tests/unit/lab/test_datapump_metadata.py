"""pg_dump's output is split into Data Pump's objects, and filters choose among them."""

from __future__ import annotations

import pytest

from infomart_lab.datapump import metadata
from infomart_lab.datapump.metadata import Selection
from infomart_lab.datapump.parameters import ParameterError, object_filter

DUMP = r"""--
-- PostgreSQL database dump
--

\restrict abc

SET statement_timeout = 0;

--
-- Name: gim; Type: SCHEMA; Schema: -; Owner: gim
--

CREATE SCHEMA "gim";


ALTER SCHEMA "gim" OWNER TO "gim";

SET default_tablespace = '';

SET default_table_access_method = "heap";

--
-- Name: interaction_fact; Type: TABLE; Schema: gim; Owner: gim
--

CREATE TABLE "gim"."interaction_fact" (
    "interaction_id" bigint NOT NULL
);

ALTER TABLE ONLY "gim"."interaction_fact" REPLICA IDENTITY FULL;


ALTER TABLE "gim"."interaction_fact" OWNER TO "gim";

--
-- Name: seq_x; Type: SEQUENCE; Schema: gim; Owner: gim
--

CREATE SEQUENCE "gim"."seq_x" START WITH 1;

--
-- Name: interaction_fact pk_if; Type: CONSTRAINT; Schema: gim; Owner: gim
--

ALTER TABLE ONLY "gim"."interaction_fact"
    ADD CONSTRAINT "pk_if" PRIMARY KEY ("interaction_id");


--
-- Name: i_if; Type: INDEX; Schema: gim; Owner: gim
--

CREATE INDEX "i_if" ON "gim"."interaction_fact" USING "btree" ("interaction_id");


--
-- Name: interaction_fact tr_if; Type: TRIGGER; Schema: gim; Owner: gim
--

CREATE TRIGGER "tr_if" BEFORE INSERT ON "gim"."interaction_fact" FOR EACH ROW EXECUTE FUNCTION "gim"."note"();


--
-- PostgreSQL database dump complete
--

\unrestrict abc
"""


def test_objects_with_their_tables() -> None:
    objects = metadata.parse(DUMP)
    assert [(o.type, o.schema_name, o.name, o.table) for o in objects] == [
        ("USER", "gim", "gim", None),
        ("TABLE", "gim", "interaction_fact", "interaction_fact"),
        ("SEQUENCE", "gim", "seq_x", None),
        ("CONSTRAINT", "gim", "pk_if", "interaction_fact"),
        ("INDEX", "gim", "i_if", "interaction_fact"),
        ("TRIGGER", "gim", "tr_if", "interaction_fact"),
    ]
    assert "REPLICA IDENTITY FULL" in objects[1].sql and "OWNER TO" in objects[1].sql
    assert "default_table" not in "".join(o.sql for o in objects) and "restrict" not in objects[-1].sql


def taken(
    *, tables: list[str] | None = None, include: list[str] | None = None, exclude: list[str] | None = None
) -> set[str]:
    filters = [[object_filter(text) for text in texts or []] for texts in (include, exclude)]
    selection = Selection(["GIM"], tables or [], *filters)
    return {o.type for o in metadata.parse(DUMP) if selection.takes(o.type, o.schema_name, o.name, o.table)}


ALL = {"USER", "TABLE", "SEQUENCE", "CONSTRAINT", "INDEX", "TRIGGER"}


def test_filters() -> None:
    assert taken() == ALL
    assert taken(exclude=["USER", "STATISTICS"]) == ALL - {"USER"}
    assert taken(exclude=["TABLE"]) == {"USER", "SEQUENCE"}
    assert taken(exclude=["TABLE:\"IN ('INTERACTION_FACT')\""]) == {"USER", "SEQUENCE"}
    assert taken(exclude=["TABLE:\"IN ('OTHER')\""]) == ALL
    assert taken(include=["INDEX"]) == {"INDEX"}
    assert taken(include=["TABLE/INDEX:\"= 'I_IF'\"", "SEQUENCE"]) == {"INDEX", "SEQUENCE"}
    assert taken(include=["INDEX:\"LIKE 'X%'\""]) == set()
    assert taken(tables=["GIM.INTERACTION%"]) == {"TABLE", "CONSTRAINT", "INDEX", "TRIGGER"}
    assert taken(tables=["GIM.OTHER"]) == set()


def test_an_unknown_object_path_is_refused() -> None:
    with pytest.raises(ParameterError, match="ORA-39041"):
        metadata.check_filters([object_filter("INDEXES")], "EXCLUDE")


def test_a_failing_statement_is_shown_in_oracles_spelling() -> None:
    index = metadata.parse(DUMP)[4]
    assert metadata.oracle_statement(index.sql, "gim") == (
        'CREATE INDEX "GIM"."I_IF" ON "GIM"."INTERACTION_FACT" ("INTERACTION_ID")'
    )
