"""A return to normal onto a database in use before: its code, jobs, and the objects that it lacks around the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect

from .conftest import assert_clean, judge
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SCALE = 1000
RATE = 5.0

#: Objects of site2 that no export of the schema carries; the package's text is newer than at site3.
GRANT = """
insert into sys.lab_object_grants (grantee, owner, table_name, privilege) values ('GIM', 'SYS', 'DBMS_LOCK', 'EXECUTE');
"""
SOURCE = """
insert into sys.lab_source (owner, type, name, text) values ('GIM', 'PACKAGE', 'TOOLS', 'package tools as new');
insert into sys.lab_synonyms values ('PUBLIC', 'CALLS', 'GIM', 'INTERACTION_FACT', null);
insert into sys.lab_scheduler_jobs (owner, job_name, job_action) values ('GIM', 'NIGHT', 'create table gim.ran ()');
"""
#: An older Info Mart that was left at site3: a view with its old text on an old table, and an enabled job.
TARGET = """
create table gim.resource_ (resource_key bigint primary key, resource_name varchar(255));
create view gim.agent_ as select resource_key from gim.resource_;
alter table gim.resource_ owner to gim; alter view gim.agent_ owner to gim;
insert into sys.lab_source (owner, type, name, text) values ('GIM', 'PACKAGE', 'TOOLS', 'package tools as old');
insert into sys.lab_scheduler_jobs (owner, job_name) values ('GIM', 'OLD_NIGHT');
"""


def value(lab: LabConfig, site: str, statement: str) -> Any:
    with connect(lab, site) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def enabled(lab: LabConfig, site: str) -> set[str]:
    with connect(lab, site) as connection:
        query = "select job_name from sys.lab_scheduler_jobs where owner = 'GIM' and enabled"
        return {name for (name,) in connection.execute(query).fetchall()}


@pytest.mark.timeout(900)
def test_a_reused_target_has_the_code_of_the_dump_set_and_only_the_serving_site_runs_jobs(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    with connect(lab, "site2") as connection:
        connection.execute(GRANT + SOURCE)
    with connect(lab, "site3") as connection:
        connection.execute(TARGET)

    def person(task_id: str) -> None:
        if task_id == "import_database.approve_import":
            assert enabled(lab, "site3") == set(), "nothing runs beside the replication"
            assert value(lab, "site3", "select to_regclass('gim.ran')") is None
            with connect(lab, "site3") as connection:
                # The objects that the gate lists; the job disabled.
                connection.execute(GRANT)
                connection.execute(
                    "insert into sys.lab_scheduler_jobs (owner, job_name, enabled) values ('GIM', 'NIGHT', false)"
                )

    with connections(lab):
        run = Procedure(plan="reused", params={"reason": "a reused site"}, person=person)
        results = run.run()
    shown = run.shown["import_database.approve_import"]
    for words in (
        'privilege: grant execute on "SYS"."DBMS_LOCK" to "GIM"',
        'SYNONYM PUBLIC.CALLS: create public synonym "CALLS" for "GIM"."INTERACTION_FACT"',
        "job NIGHT: create it disabled",
    ):
        assert words in shown
    assert "VIEW" not in shown, "no object of code was left old"
    text = "select pg_get_viewdef('gim.agent_'::regclass)"
    assert value(lab, "site3", text) == value(lab, "site2", text)
    assert value(lab, "site3", "select text from sys.lab_source where name = 'TOOLS'") == "package tools as new"
    assert value(lab, "site3", "select count(*) from sys.dba_objects where owner = 'GIM' and status = 'INVALID'") == 0
    assert "sequences: " in results["final_stop_and_comparison.prove_sequences"]["summary"]
    # The jobs have moved with the service.
    assert serves("site3") and not serves("site2")
    assert enabled(lab, "site3") == {"NIGHT", "OLD_NIGHT"} and enabled(lab, "site2") == set()
    assert_clean(judge(lab, "site3", "site2"))
