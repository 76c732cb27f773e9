"""The Oracle hook: time limits, typed errors, connections always closed. No database is needed."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import oracledb
import pytest
from oracledb import errors

from infomart_dr.errors import (
    CredentialsError,
    InfoMartError,
    PermanentError,
    TopologyError,
    TransientError,
    UnreachableError,
)
from infomart_dr.hooks import oracle
from infomart_dr.hooks.oracle import InfoMartOracleHook, OracleError, OraclePermanent, classify, deciding_code

PASSWORD = "correct-horse-battery"


def connection(port: int = 1521, **changes: object) -> str:
    fields = {"conn_type": "oracle", "host": "127.0.0.1", "port": port, "login": "GIM", "password": PASSWORD}
    return json.dumps({**fields, "extra": {"service_name": "GIM2"}, **changes})


# -- what a message means ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("ORA-01017: invalid username/password; logon denied", CredentialsError, "ORA-01017"),
        ("ORA-01017: invalid credential or not authorized; logon denied\nHelp: x", CredentialsError, "ORA-01017"),
        ("ORA-28000: The account is locked.", CredentialsError, "ORA-28000"),
        ("ORA-28001: the password has expired", CredentialsError, "ORA-28001"),
        ("ORA-01005: null password given; logon denied", CredentialsError, "ORA-01005"),
        ('DPY-6001: Service "GIMX" is not registered. (Similar to ORA-12514)', UnreachableError, "DPY-6001"),
        ("ORA-12514: TNS:listener does not currently know of service", UnreachableError, "ORA-12514"),
        (
            "DPY-6005: cannot connect to database (CONNECTION_ID=x).\n[Errno 111] Connection refused",
            UnreachableError,
            "DPY-6005",
        ),
        (
            'DPY-6005: cannot connect to database (CONNECTION_ID=x).\nDPY-6001: Service "NOPE" is not registered '
            "with the listener. (Similar to ORA-12514)",
            UnreachableError,
            "DPY-6001",
        ),
        ("ORA-12541: TNS:no listener", UnreachableError, "ORA-12541"),
        ("ORA-12170: TNS:Connect timeout occurred", UnreachableError, "ORA-12170"),
        ("DPY-4011: the database or network closed the connection", TransientError, "DPY-4011"),
        ("DPY-4024: call timeout of 120000 ms exceeded", TransientError, "DPY-4024"),
        ("ORA-03113: end-of-file on communication channel", TransientError, "ORA-03113"),
        ("ORA-01033: ORACLE initialization or shutdown in progress", TransientError, "ORA-01033"),
        ("ORA-01034: ORACLE not available\nORA-27101: shared memory realm", TransientError, "ORA-01034"),
        ("ORA-01089: immediate shutdown in progress", TransientError, "ORA-01089"),
        ("ORA-00054: resource busy and acquire with NOWAIT specified", TransientError, "ORA-00054"),
        ("ORA-00060: deadlock detected while waiting for resource", TransientError, "ORA-00060"),
        ("ORA-12516: TNS:listener could not find available handler", TransientError, "ORA-12516"),
        ("ORA-12520: TNS:listener could not find handler", TransientError, "ORA-12520"),
        (
            "ORA-12801: error signaled in parallel query server P000\nORA-00060: deadlock",
            TransientError,
            "ORA-00060",
        ),
        ("ORA-00942: table or view does not exist", PermanentError, "ORA-00942"),
        ("ORA-00604: error at recursive SQL level 1\nORA-01031: insufficient", PermanentError, "ORA-01031"),
        ("ORA-00001: unique constraint (GIM.PK) violated", PermanentError, "ORA-00001"),
        ("ORA-02289: sequence does not exist", PermanentError, "ORA-02289"),
        (
            "DPY-6005: cannot connect to database (CONNECTION_ID=Qm9==).\nDPY-3010: connections to this database "
            "server version are not supported by python-oracledb in thin mode\nHelp: https://x/#dpy-3010",
            PermanentError,
            "DPY-3010",
        ),
        (
            "DPY-6005: cannot connect to database (CONNECTION_ID=Qm9==).\nDPY-3001: Native Network Encryption and "
            "Data Integrity is only supported in python-oracledb thick mode",
            PermanentError,
            "DPY-3001",
        ),
        ("DPY-3015: password verifier type 0x939 is not supported by thin mode", PermanentError, "DPY-3015"),
        ("DPY-4011: the database or network closed the connection\nORA-12660: Encryption", PermanentError, "ORA-12660"),
        ("DPY-2019: python-oracledb thick mode cannot be used because thin mode", PermanentError, "DPY-2019"),
        ('DPI-1047: Cannot locate a 64-bit Oracle Client library: "libclntsh.so"', PermanentError, "DPI-1047"),
        ("DPI-1050: Oracle Client library is at version 12.2 but version 18.1 or higher", PermanentError, "DPI-1050"),
        ("ORA-28040: No matching authentication protocol", PermanentError, "ORA-28040"),
        ("ORA-16000: database or pluggable database open for read-only access", PermanentError, "ORA-16000"),
        ("DPY-4000: unable to find 'GIM2' in /etc/tnsnames.ora", PermanentError, "DPY-4000"),
        ("ORA-00257: Archiver error. Connect AS SYSDBA only until resolved.", TransientError, "ORA-00257"),
        ("ORA-00257: archiver error. Connect internal only, until freed.", TransientError, "ORA-00257"),
        ("ORA-16038: log 2 sequence# 77 cannot be archived\nORA-19809: limit exceeded", TransientError, "ORA-16038"),
        ("ORA-01653: unable to extend table GGATE.DR_LEDGER by 8", TransientError, "ORA-01653"),
        ("ORA-01109: database not open", TransientError, "ORA-01109"),
        ("ORA-01219: database or pluggable database not open", TransientError, "ORA-01219"),
        ("ORA-01555: snapshot too old: rollback segment number 7", TransientError, "ORA-01555"),
        ("ORA-12757: instance does not currently know of requested service", UnreachableError, "ORA-12757"),
        ("DPY-4011: the database or network closed the connection\nORA-00600: internal", TransientError, "DPY-4011"),
        ("something without a code", PermanentError, ""),
        ("", PermanentError, ""),
    ],
)
def test_messages_are_classified(text: str, kind: type[InfoMartError], code: str) -> None:
    error = classify(text, "Statement current_scn", "connection gim2 (db2:1521/GIM2)")
    assert isinstance(error, kind)
    assert error.retryable == issubclass(kind, TransientError)
    assert error.code == code
    assert "current_scn" in error.what
    assert "gim2" in error.what
    assert error.next_step


def driver_codes_a_retry_cures() -> list[str]:
    """Codes that the driver calls recoverable, and those that it turns into a closed connection."""
    closed = [code for code, ours in errors.ERR_ORACLE_ERROR_XREF.items() if ours == errors.ERR_CONNECTION_CLOSED]
    # 16456 belongs to Data Guard's own processes; the others are internal errors, which a closed connection wraps.
    left_out = {16456, 45, 378, 600, 602, 609, 1043}
    return [f"ORA-{code:05}" for code in sorted({*closed, *errors.ERR_RECOVERABLE_ERROR_CODES} - left_out)]


@pytest.mark.parametrize("code", driver_codes_a_retry_cures())
def test_what_the_driver_holds_for_recoverable_is_retried(code: str) -> None:
    assert classify(f"{code}: x", "s", "t").retryable


@pytest.mark.parametrize("code", ["DPY-3010", "DPY-3001", "DPY-3015", "ORA-12660", "DPY-2019", "DPI-1047"])
def test_an_error_of_the_drivers_mode_names_thick_mode_and_the_setting(code: str) -> None:
    step = classify(f"DPY-6005: cannot connect.\n{code}: x", "s", "t").next_step
    assert "Instant Client 19c" in step
    assert "oracle_client" in step


# A process has one mode: each of these runs in one of its own, with the real driver.
def in_a_process(setting: str, code: str) -> str:
    prelude = "from infomart_dr.hooks.oracle import InfoMartOracleHook\nimport oracledb\n"
    environment = {
        **os.environ,
        "AIRFLOW__INFOMART_DR__ORACLE_CLIENT": setting,
        "AIRFLOW_CONN_GIM2": connection(port=1),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    program = (
        prelude + f"try:\n    {code}\nexcept Exception as error:\n    print(repr((type(error).__name__, str(error))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return " ".join(ast.literal_eval(done.stdout.strip().splitlines()[-1]))


def test_a_missing_client_library_is_said_at_once_with_what_to_install() -> None:
    told = in_a_process("/nowhere/instantclient", "InfoMartOracleHook('gim2').get_conn()")
    assert told.startswith("OraclePermanent")
    assert "DPI-1047" in told
    assert "Instant Client 19c" in told


def test_thick_mode_after_thin_mode_in_one_process_is_said_with_the_setting() -> None:
    code = "oracledb.enable_thin_mode(); InfoMartOracleHook('gim2').get_conn()"
    told = in_a_process("/nowhere/instantclient", code)
    assert told.startswith("OraclePermanent")
    assert "DPY-2019" in told
    assert "for all databases" in told


def test_without_the_setting_the_driver_stays_thin() -> None:
    assert in_a_process("", "InfoMartOracleHook('gim2').get_conn()").startswith("OracleUnreachable")


def test_a_client_library_without_statement_limits_is_a_typed_error_and_the_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OldClient(oracledb.Connection):
        closed = False

        def __init__(self) -> None:
            pass

        def __del__(self) -> None:
            pass

        @property
        def call_timeout(self) -> int:
            return 0

        @call_timeout.setter
        def call_timeout(self, value: int) -> None:
            raise oracledb.DatabaseError("DPI-1050: Oracle Client library is at version 12.2 but version 18.1")

        def close(self) -> None:
            self.closed = True

    old = OldClient()
    monkeypatch.setenv("AIRFLOW_CONN_GIM2", connection())
    monkeypatch.setattr(oracle.OracleHook, "get_conn", lambda self: old)
    with pytest.raises(OraclePermanent, match="older than 18c"):
        InfoMartOracleHook("gim2").get_conn()
    assert old.closed


def test_a_listener_that_is_named_by_its_dsn_is_named_so_in_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCPS)(HOST=db2)(PORT=2484))(CONNECT_DATA=(SERVICE_NAME=GIM2)))"
    monkeypatch.setenv("AIRFLOW_CONN_GIM2", connection(extra={"dsn": dsn}))
    assert InfoMartOracleHook("gim2").target() == f"connection gim2 ({dsn})"


def test_next_steps_name_what_to_look_at() -> None:
    assert "recovery area" in classify("ORA-00257: x", "s", "t").next_step
    assert "read-only" in classify("ORA-16000: x", "s", "t").next_step
    assert "service_name" in classify("DPY-6001: x", "s", "t").next_step
    assert "lsnrctl" in classify("ORA-12541: x", "s", "t").next_step
    assert "grant" in classify("ORA-00942: x", "s", "t").next_step
    assert "lock" in classify("ORA-01017: x", "s", "t").next_step


def test_help_lines_are_left_out_and_reasons_kept() -> None:
    text = "DPY-6005: cannot connect.\n[Errno 111] Connection refused\nHelp: https://docs.oracle.com/x"
    what = classify(text, "Connect", "t").what
    assert "Connection refused" in what
    assert "https" not in what


def test_a_code_is_not_found_inside_a_word() -> None:
    assert deciding_code("XORA-01017") == ""
    assert deciding_code("PLS-00201: identifier must be declared") == "PLS-00201"


@pytest.mark.parametrize("text", ["ORA-01017: x", "ORA-12541: x", "ORA-00054: x", "ORA-00942: x", "no code"])
def test_errors_survive_pickling_with_their_code(text: str) -> None:
    error = classify(text, "s", "t")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.next_step) == (
        type(error),
        str(error),
        error.code,
        error.next_step,
    )


# -- connecting --------------------------------------------------------------------------------------


@pytest.fixture
def silent_port() -> Iterator[int]:
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for client in held:
        client.close()


def test_a_listener_that_never_answers_is_given_up_in_time(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SILENT_DB", connection(silent_port))
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no answer within 0\.5 s") as caught:
        InfoMartOracleHook("silent_db", connect_timeout=0.5).select("current_scn")
    assert time.monotonic() - begun < 10
    assert PASSWORD not in str(caught.value)


def test_a_closed_port_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("AIRFLOW_CONN_CLOSED_DB", connection(port))
    with pytest.raises(UnreachableError, match=f"closed_db .127.0.0.1:{port}/GIM2") as caught:
        InfoMartOracleHook("closed_db", connect_timeout=2).select("current_scn")
    assert isinstance(caught.value, OracleError)
    assert caught.value.code.startswith("DPY-")


def test_an_unknown_connection_is_named() -> None:
    with pytest.raises(TopologyError, match="no connection nobody_knows_it"):
        InfoMartOracleHook("nobody_knows_it").value("current_scn")


def test_a_useless_connection_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise TypeError(f"unexpected {PASSWORD}")

    monkeypatch.setattr(oracledb, "connect", fail)
    monkeypatch.setenv("AIRFLOW_CONN_ODD_DB", connection())
    with pytest.raises(TopologyError, match="cannot be used") as caught:
        InfoMartOracleHook("odd_db").value("current_scn")
    assert PASSWORD not in str(caught.value)


# -- statements --------------------------------------------------------------------------------------


class FakeCursor:
    def __init__(self, database: FakeDatabase) -> None:
        self.database = database
        self.description: Any = None
        self.rowcount = 0

    def __enter__(self) -> FakeCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.events.append("cursor closed")

    def execute(self, text: str, binds: dict[str, Any] | None = None) -> None:
        self.database.events.append((text, binds))
        if self.database.error:
            raise oracledb.DatabaseError(self.database.error)
        self.description = [(name, None) for name in self.database.columns] or None
        self.rowcount = self.database.rowcount

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.database.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.database.rows[0] if self.database.rows else None


class FakeDatabase:
    """The connection of oracledb.connect."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.columns: list[str] = []
        self.rows: list[tuple[Any, ...]] = []
        self.rowcount = 0
        self.error = ""
        self.call_timeout = 0

    def cursor(self) -> FakeCursor:
        return FakeCursor(self)

    def commit(self) -> None:
        self.events.append("commit")

    def rollback(self) -> None:
        self.events.append("rollback")

    def close(self) -> None:
        self.events.append("close")


class FakeLob:
    def read(self) -> str:
        return "long text"


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    fake = FakeDatabase()
    monkeypatch.setattr(oracledb, "connect", lambda **_: fake)
    monkeypatch.setattr(oracledb, "LOB", FakeLob)
    monkeypatch.setattr(oracle.files, "statement", lambda name, **ids: f"-{name} {ids}-")
    monkeypatch.setenv("AIRFLOW_CONN_FAKE_DB", connection())
    return fake


def hook() -> InfoMartOracleHook:
    return InfoMartOracleHook("fake_db", statement_timeout=7)


def test_rows_have_lower_case_keys_and_read_lobs(database: FakeDatabase) -> None:
    database.columns, database.rows = ["NAME", "Text"], [("A", FakeLob()), (None, None)]
    assert hook().select("q", {"schema": "GIM"}, low=5) == [
        {"name": "A", "text": "long text"},
        {"name": None, "text": None},
    ]
    assert database.events == [("-q {'schema': 'GIM'}-", {"low": 5}), "cursor closed", "close"]
    assert database.call_timeout == 7000


def test_a_value_is_the_first_column_of_the_first_row_or_none(database: FakeDatabase) -> None:
    assert hook().value("q") is None
    database.columns, database.rows = ["A", "B"], [(FakeLob(), 2), (3, 4)]
    assert hook().value("q") == "long text"


def test_a_change_is_committed_once_and_counted(database: FakeDatabase) -> None:
    database.rowcount = 3
    assert hook().execute("change", owner="plan-1") == 3
    assert database.events[1:] == ["cursor closed", "commit", "close"]


def test_ddl_reports_no_negative_row_count(database: FakeDatabase) -> None:
    database.rowcount = -1
    assert hook().execute("ddl") == 0


def test_a_failed_statement_is_rolled_back_closed_and_named_without_binds(database: FakeDatabase) -> None:
    database.error = "ORA-00001: unique constraint (GGATE.PK) violated"
    with pytest.raises(OraclePermanent, match="Statement take_it") as caught:
        hook().execute("take_it", owner="bound-value")
    assert caught.value.code == "ORA-00001"
    assert "bound-value" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert database.events[1:] == ["cursor closed", "rollback", "close"]


def test_a_transaction_commits_at_its_end(database: FakeDatabase) -> None:
    with hook().transaction() as session:
        session.execute("one")
        session.select("two")
        assert session.value("three") is None
        assert "commit" not in database.events
    assert database.events[-2:] == ["commit", "close"]
    assert database.events.count("commit") == 1


def test_a_transaction_is_rolled_back_on_any_error(database: FakeDatabase) -> None:
    with pytest.raises(ZeroDivisionError), hook().transaction() as session:
        session.execute("one")
        raise ZeroDivisionError
    assert database.events[-2:] == ["rollback", "close"]
    assert "commit" not in database.events


def test_generated_statements_run_in_order_and_the_failing_one_is_named(database: FakeDatabase) -> None:
    hook().run_text(["DROP SEQUENCE GIM.A", "DROP SEQUENCE GIM.B"])
    texts = [event[0] for event in database.events if isinstance(event, tuple)]
    assert texts == ["DROP SEQUENCE GIM.A", "DROP SEQUENCE GIM.B"]
    database.error = "ORA-02289: sequence does not exist"
    with pytest.raises(OraclePermanent, match=r"statement 1 \(DROP SEQUENCE GIM\.C\)"):
        hook().run_text("DROP SEQUENCE GIM.C")
