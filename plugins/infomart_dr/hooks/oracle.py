"""Oracle by Airflow's connection: one statement of ``include/sql`` per call, with time limits and typed errors.

The driver's own limits cover the TCP connect only: a listener that accepts and never answers would hold a
task for minutes. Therefore the whole connect has a deadline here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import oracledb
from airflow.providers.oracle.hooks.oracle import OracleHook
from airflow.sdk.exceptions import AirflowNotFoundException

from infomart_dr import files, settings, stopwatch
from infomart_dr.errors import (
    CredentialsError,
    InfoMartError,
    PermanentError,
    TopologyError,
    TransientError,
    UnreachableError,
)
from infomart_dr.hooks.connections import missing
from infomart_dr.values import Bind, ColumnValue, Row

#: Seconds granted to the driver beyond its own connect timeout before the connect is given up.
_MARGIN = 1.0

_CODE = re.compile(r"\b(ORA|DPY|DPI|TNS|PLS)-(\d{1,5})\b")
#: Python's words for a certificate that is refused; the driver adds no code of its own.
_TLS = re.compile(r"\[SSL: \w*(?:CERTIFICATE|ALERT|VERSION|HANDSHAKE)\w*\]")

# Oracle Database Error Messages; python-oracledb's documentation, "Oracle Database errors" and "DPY-" codes.
_CREDENTIALS = {
    "ORA-01005": "no password was given",
    "ORA-01017": "user name or password was refused",
    "ORA-01045": "the user may not create a session",
    "ORA-28000": "the account is locked",
    "ORA-28001": "the password has expired",
    "ORA-28009": "SYS must log in as SYSDBA",
    "DPY-4001": "the connection has no user or password",
}
# python-oracledb, "Enabling python-oracledb Thick mode" and "Troubleshooting"; ODPI-C's errors.
_DRIVER = {
    "DPY-3001": "the driver's thin mode lacks this feature; native network encryption is one",
    "DPY-3010": "the driver's thin mode needs Oracle Database 12.1 or later",
    "DPY-3012": "the driver's thin mode does not know the national character set",
    "DPY-3015": "the user has only an old (10G) password verifier, which the driver's thin mode does not know",
    "DPY-3040": "the driver's thin mode does not know the database's character set",
    "DPY-5016": "the driver's thin mode and the database agree on no network encryption",
    "ORA-12660": "the database asks for network encryption that the driver's thin mode lacks",
    "DPY-2019": "another connection of this process already uses the driver's thin mode",
    "DPI-1047": "the Oracle client library cannot be loaded",
    "DPI-1072": "the Oracle client library is too old",
    "DPI-1050": "the Oracle client library is older than 18c and has no time limit for a statement",
}
_UNREACHABLE = {
    "ORA-12154": "the service name cannot be resolved",
    "ORA-12153": "the connection is not open",
    "ORA-12170": "connecting took too long",
    "ORA-12203": "the destination cannot be reached",
    "ORA-12500": "the listener could not start a server process",
    "ORA-12505": "the listener does not know the SID",
    "ORA-12514": "the listener does not know the service",
    "ORA-12521": "the listener does not know the instance",
    "ORA-12523": "the listener has no instance for this connection",
    "ORA-12526": "all instances of the service are in restricted mode",
    "ORA-12527": "all instances of the service are in restricted mode or refuse new sessions",
    "ORA-12528": "all instances of the service refuse new sessions",
    "ORA-12529": "the listener refuses the connection at this time",
    "ORA-12535": "the operation took too long",
    "ORA-12532": "the transport failed",
    "ORA-12540": "the listener has reached its limit",
    "ORA-12541": "no listener answers",
    "ORA-12542": "no port is free for the connection",
    "ORA-12543": "the host cannot be reached",
    "ORA-12545": "the host name cannot be resolved or reached",
    "ORA-12547": "the server closed the connection",
    "ORA-12549": "the operating system has no resources for the connection",
    "ORA-12555": "the transport failed",
    "ORA-12560": "the transport failed",
    "ORA-12564": "the listener refused the connection",
    "ORA-12757": "the instance does not know the service yet",
    "DPY-6000": "the listener refused the connection",
    "DPY-6001": "the listener does not know the service",
    "DPY-6003": "the listener does not know the SID",
    "DPY-6005": "the listener cannot be reached",
}
_TRANSIENT = {
    "ORA-00018": "the database has no session left",
    "ORA-00020": "the database has no process left",
    "ORA-00022": "the session is gone",
    "ORA-00028": "the session was killed",
    "ORA-00030": "the session is gone",
    "ORA-00031": "the session is marked as killed",
    "ORA-00054": "somebody holds a lock on the object",
    "ORA-00060": "a deadlock was broken",
    "ORA-00257": "the archiver is stuck: the recovery area or the archive destination is full",
    "ORA-00376": "a data file cannot be read at this time",
    "ORA-00603": "the session ended with a fatal error",
    "ORA-01012": "the session has ended",
    "ORA-01013": "somebody cancelled the statement",
    "ORA-01033": "the instance is starting or stopping",
    "ORA-01034": "the instance is not running",
    "ORA-01035": "the instance is in restricted mode",
    "ORA-01041": "the connection was lost",
    "ORA-01089": "the instance is stopping",
    "ORA-01090": "the instance is stopping",
    "ORA-01092": "the instance ended",
    "ORA-01109": "the database is not open",
    "ORA-01115": "a block of a data file could not be read",
    "ORA-01219": "the database is not open",
    "ORA-01410": "a row was moved meanwhile",
    "ORA-01536": "the user's quota in the tablespace is used up",
    "ORA-01591": "a distributed transaction in doubt holds a lock",
    "ORA-01555": "the undo for a consistent read is overwritten",
    "ORA-01652": "a temporary or new segment finds no space",
    "ORA-01653": "the tablespace of the table is full",
    "ORA-01654": "the tablespace of the index is full",
    "ORA-01655": "the tablespace of the cluster is full",
    "ORA-01658": "the tablespace is full",
    "ORA-01659": "the tablespace is full",
    "ORA-01683": "the tablespace of the index's partition is full",
    "ORA-01688": "the tablespace of the partition is full",
    "ORA-01691": "the tablespace of the LOB is full",
    "ORA-01692": "the tablespace of the LOB's partition is full",
    "ORA-02391": "the user has as many sessions as its profile allows",
    "ORA-02396": "the session was idle too long",
    "ORA-02399": "the session lasted longer than its profile allows",
    "ORA-03113": "the connection was lost",
    "ORA-03114": "the connection was lost",
    "ORA-03122": "the connection was lost",
    "ORA-03135": "the connection was lost",
    "ORA-03136": "the login took too long",
    "ORA-03156": "the statement took too long",
    "ORA-04020": "a deadlock on a library object was broken",
    "ORA-04021": "somebody holds the object",
    "ORA-04030": "the server process has no memory left",
    "ORA-04031": "the shared memory of the instance is used up",
    "ORA-04036": "the instance has used its memory of server processes",
    "ORA-04061": "a package was compiled meanwhile",
    "ORA-04065": "a package was compiled meanwhile",
    "ORA-04068": "a package was compiled meanwhile",
    "ORA-08103": "the object was replaced meanwhile",
    "ORA-08177": "another transaction changed the same rows",
    "ORA-10456": "the standby database is recovering",
    "ORA-12150": "the connection was lost",
    "ORA-12151": "the connection was lost",
    "ORA-12152": "the connection was lost",
    "ORA-12161": "the connection was lost",
    "ORA-12516": "the listener has no free handler",
    "ORA-12518": "the listener cannot hand over the connection",
    "ORA-12519": "the listener has no free handler",
    "ORA-12520": "the listener has no free handler",
    "ORA-12537": "the connection was closed",
    "ORA-12570": "the connection was closed",
    "ORA-12569": "a packet was damaged",
    "ORA-12571": "the connection was closed",
    "ORA-12583": "the connection was closed",
    "ORA-12592": "a packet was damaged",
    "ORA-12599": "a packet was damaged",
    "ORA-12606": "connecting took too long",
    "ORA-12608": "sending took too long",
    "ORA-12609": "receiving took too long",
    "ORA-12637": "a packet was not received",
    "ORA-12805": "a parallel server process ended",
    "ORA-14403": "somebody changed the partitions meanwhile",
    "ORA-14452": "a session still uses the temporary table",
    "ORA-16038": "the archiver is stuck: a log cannot be archived",
    "ORA-19804": "the recovery area is full",
    "ORA-19809": "the recovery area is full",
    "ORA-19815": "the recovery area is nearly full",
    "ORA-25402": "the transaction was lost in a failover of the instance",
    "ORA-25405": "the transaction was lost in a failover of the instance",
    "ORA-25408": "the connection was lost",
    "ORA-25409": "the statement was lost in a failover of the instance",
    "ORA-27101": "the instance is not running",
    "ORA-27146": "the instance ended",
    "ORA-28511": "the connection was lost",
    "ORA-30006": "somebody holds a lock on the row",
    "ORA-30032": "the wait for space timed out",
    "ORA-30036": "the undo tablespace is full",
    "ORA-56600": "the connection was lost",
    "DPI-1010": "the connection was lost",
    "DPI-1067": "the statement took too long",
    "DPI-1080": "the connection was closed",
    "DPY-1001": "the connection was lost",
    "DPY-4011": "the connection was closed",
    "DPY-4024": "the statement took too long",
    "DPY-4033": "the session was idle too long",
}
#: A person must add space; a retry then succeeds.
_ARCHIVER = frozenset({"ORA-00257", "ORA-16038", "ORA-19804", "ORA-19809", "ORA-19815"})
_FULL = frozenset(
    {
        *("ORA-01536", "ORA-01652", "ORA-01653", "ORA-01654", "ORA-01655", "ORA-01658", "ORA-01659", "ORA-01683"),
        *("ORA-01688", "ORA-01691", "ORA-01692", "ORA-30032", "ORA-30036"),
    }
)
#: A person must act; the step that helps.
_PERMANENT = {
    "ORA-16000": "The database is open read-only. Check its Data Guard role: the connection must reach the primary.",
    "ORA-28040": "The database refuses this client's login protocol: check SQLNET.ALLOWED_LOGON_VERSION_SERVER.",
    "ORA-12638": "The client asks for another way to log in: check SQLNET.AUTHENTICATION_SERVICES of sqlnet.ora.",
    "ORA-28759": "The wallet of the connection cannot be opened: correct wallet_location of the connection.",
    "ORA-29024": "The certificate of the listener is not trusted: correct the wallet of the connection.",
    "DPY-3016": "Install the Python package cryptography on each machine of Airflow.",
    "DPY-4000": "The connection names a TNS alias that tnsnames.ora lacks: give host, port and service_name instead.",
    "DPY-4026": "The file tnsnames.ora is missing: give host, port and service_name in the Airflow connection.",
    "DPY-4027": "The folder of tnsnames.ora is not known: give host, port and service_name in the Airflow connection.",
    "DPY-6002": "The certificate of the listener has another name: correct ssl_server_cert_dn of the connection.",
    "DPY-6006": "The certificate of the listener has another name: correct ssl_server_cert_dn of the connection.",
}
#: The object does not exist, or not for this user.
_MISSING_OBJECT = {"ORA-00942", "ORA-01031", "ORA-01950", "ORA-04043", "ORA-06550", "PLS-00201"}


#: Codes that only wrap another code, when the message has another.
_OUTER = {"DPI-1067", "DPI-1080", "DPY-4011", "DPY-6000", "DPY-6005", "ORA-00603", "ORA-06550"}


class OracleError(InfoMartError):
    """An error of Oracle or its driver.

    :param code: such as ``ORA-01017`` or ``DPY-6005``; empty when the driver gave none.
    """

    def __init__(self, what: str, next_step: str = "", *, code: str = "") -> None:
        self.code = code
        super().__init__(what, next_step)


class OracleUnreachable(OracleError, UnreachableError):
    """The listener or the service does not answer."""


class OracleCredentials(OracleError, CredentialsError):
    """The login was refused."""


class OracleTransient(OracleError, TransientError):
    """A lost connection, a starting instance, a lock."""


class OraclePermanent(OracleError, PermanentError):
    """Any other error of Oracle: a person must act."""


def deciding_code(text: str) -> str:
    """The decisive error code, such as ``ORA-01017``: the first known one, else the first one, else "".

    Outer codes only name the place of the error; the reason follows them.

    :param text: the driver's message.
    """
    # A thick client leaves out leading zeros (ORA-3113); programs of the network write TNS for the same numbers.
    found = [
        f"{'ORA' if kind == 'TNS' else kind}-{number.zfill(4 if kind.startswith('DP') else 5)}"
        for kind, number in _CODE.findall(text)
    ]
    known = (_CREDENTIALS, _DRIVER, _UNREACHABLE, _TRANSIENT, _PERMANENT, _MISSING_OBJECT)
    telling = [code for code in found if any(code in table for table in known) or _is_unsupported(code)]
    return next((code for code in telling if code not in _OUTER), (telling or found or [""])[0])


def classify(text: str, subject: str, target: str) -> OracleError:
    """Typed error for a message of the driver.

    Binds never appear: the driver's messages contain names and codes only.

    :param text: the driver's message.
    :param subject: the action, such as ``Statement current_scn``.
    :param target: the database, such as ``connection gim_site2 (db2:1521/GIM2)``.
    """
    code = deciding_code(text)
    lines = [part.strip() for part in text.splitlines() if part.strip() and not part.startswith("Help:")]
    line = " ".join(lines)[:300].rstrip(". ") or "no message"
    if code in _CREDENTIALS:
        return OracleCredentials(
            f"{subject}: {target}: {_CREDENTIALS[code]} ({line}).",
            "Correct user and password of the Airflow connection, or unlock the account; "
            "repeated wrong passwords lock it.",
            code=code,
        )
    if code not in _PERMANENT and (code in _DRIVER or _is_unsupported(code)):
        reason = _DRIVER.get(code, "the driver's thin mode lacks this feature")
        return OraclePermanent(f"{subject}: {target}: {reason} ({line}).", _driver_step(code), code=code)
    if _TLS.search(text):
        step = "Correct the wallet or the certificates of the Airflow connection, or the listener's certificate."
        return OraclePermanent(f"{subject}: {target}: the certificate is refused ({line}).", step, code=code)
    if code in _UNREACHABLE:
        if code in ("ORA-12514", "DPY-6001", "ORA-12505", "DPY-6003"):
            step = (
                "Compare service_name (or sid) of the Airflow connection with `lsnrctl status` on the "
                "database's host; an instance that is starting registers within a minute."
            )
        else:
            step = "Check that host and listener run (`lsnrctl status`), and that the port is open to Airflow."
        return OracleUnreachable(f"{subject}: {target}: {_UNREACHABLE[code]} ({line}).", step, code=code)
    if code in _TRANSIENT:
        if code in ("DPY-4024", "DPI-1067", "ORA-03156"):
            step = "Check V$SESSION for a lock or a slow plan. The limit is timeouts.statement in the topology."
        elif code in _ARCHIVER:
            step = (
                "Free the recovery area or the archive destination (RMAN: back up and delete archived logs), or raise "
                "DB_RECOVERY_FILE_DEST_SIZE. The retry continues then."
            )
        elif code in _FULL:
            step = "Add space to the tablespace that the message names. The retry continues then."
        elif code in ("ORA-00054", "ORA-30006", "ORA-04021", "ORA-00060", "ORA-08177"):
            step = "Wait for the retry. If the error stays, find the holder in V$LOCK or V$SESSION."
        else:
            step = "Wait for the retry. If the error stays, check the instance's alert log."
        return OracleTransient(f"{subject}: {target}: {_TRANSIENT[code]} ({line}).", step, code=code)
    if code in _PERMANENT:
        step = _PERMANENT[code]
    elif code in _MISSING_OBJECT:
        step = (
            "The object does not exist, or the user cannot see it: grant the privilege that the header of the "
            "statement's file in include/sql names."
        )
    else:
        step = "Look up the code in Oracle's error messages. This statement committed nothing."
    return OraclePermanent(f"{subject}: {target}: {line}.", step, code=code)


def _is_unsupported(code: str) -> bool:
    """python-oracledb's "not supported" errors, DPY-3000 to DPY-3999."""
    return code.startswith("DPY-3")


def _driver_step(code: str) -> str:
    """What a person does about the driver's mode."""
    if code == "DPI-1047":
        return (
            "Install Oracle Instant Client 19c on each machine of Airflow, and set oracle_client of the section "
            "[infomart_dr] to its folder; its loader needs the folder in ldconfig or LD_LIBRARY_PATH."
        )
    if code in ("DPI-1050", "DPI-1072"):
        return "Install Oracle Instant Client 19c on each machine of Airflow; it reaches Oracle 11.2 and later."
    return (
        "Use the driver's thick mode for all databases: install Oracle Instant Client 19c on each machine of Airflow, "
        "and set oracle_client of the section [infomart_dr] to its folder."
    )


def _plain(value: ColumnValue) -> ColumnValue:
    """LOBs as text or bytes; every other value unchanged."""
    return value.read() if isinstance(value, oracledb.LOB) else value


def rows_of(cursor: Any) -> list[Row]:
    """Rows of an executed cursor as dictionaries with keys in lower case.

    :param cursor: DB-API cursor; without a result there are no rows.
    """
    if cursor.description is None:
        return []
    names = [str(column[0]).lower() for column in cursor.description]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]


class Session:
    """Statements over one open connection, as given by :meth:`InfoMartOracleHook.transaction`."""

    def __init__(self, connection: oracledb.Connection, target: str) -> None:
        self._connection = connection
        self._target = target

    @contextmanager
    def _cursor(self, name: str, identifiers: Mapping[str, str] | None, binds: Mapping[str, Bind]) -> Iterator[Any]:
        text = files.statement(name, **(identifiers or {}))
        with _typed(f"Statement {name}", self._target), self._connection.cursor() as cursor:
            cursor.execute(text, dict(binds))
            yield cursor

    def select(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> list[Row]:
        """Rows of a query, keys in lower case."""
        with self._cursor(name, identifiers, binds) as cursor:
            return rows_of(cursor)

    def value(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> ColumnValue:
        """First column of the first row; None when there is no row."""
        with self._cursor(name, identifiers, binds) as cursor:
            row = cursor.fetchone()
            return None if row is None else _plain(row[0])

    def execute(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> int:
        """Number of rows that a statement changed."""
        with self._cursor(name, identifiers, binds) as cursor:
            changed: int = cursor.rowcount
            return max(changed, 0)


@contextmanager
def _typed(subject: str, target: str) -> Iterator[None]:
    """Turn the driver's errors into typed ones."""
    try:
        yield
    except oracledb.Error as error:
        raise classify(str(error), subject, target) from None


class InfoMartOracleHook(OracleHook):
    """Airflow's OracleHook with time limits, named statements and typed errors.

    Each call opens a connection and closes it. The object keeps no connection, so several threads may use it.

    :param conn_id: Airflow connection of type oracle.
    :param connect_timeout: seconds for connecting, including the login.
    :param statement_timeout: seconds for one round trip of a statement.
    :param before_change: called in the session of each change, before it; raises where the change is not allowed.
    """

    def __init__(
        self,
        conn_id: str,
        *,
        connect_timeout: float = 10,
        statement_timeout: float = 120,
        before_change: Callable[[Session], None] = lambda session: None,
    ) -> None:
        client = settings.oracle_client()
        # One process has one mode: the setting decides for all connections, and wins over each connection's extra.
        mode = None if client is None else True
        super().__init__(oracle_conn_id=conn_id, thick_mode=mode, thick_mode_lib_dir=client or None)
        self.conn_id = conn_id
        self.connect_timeout = connect_timeout
        self.statement_timeout = statement_timeout
        self._before_change = before_change

    # -- connecting --------------------------------------------------------------------------------

    def get_connection(self, conn_id: str) -> Any:
        """The Airflow connection.

        :raises TopologyError: Airflow has no such connection.
        """
        try:
            return super().get_connection(conn_id)
        except AirflowNotFoundException:
            raise missing(conn_id, "oracle") from None

    def target(self) -> str:
        """Name of the database in messages; without secrets."""
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        if extra.get("dsn") and not extra.get("service_name") and not extra.get("sid"):
            return f"connection {self.conn_id} ({str(extra['dsn'])[:200]})"
        service = extra.get("service_name") or extra.get("sid") or connection.schema or "?"
        return f"connection {self.conn_id} ({connection.host}:{connection.port or 1521}/{service})"

    def get_conn(self) -> oracledb.Connection:
        """Open a connection within ``connect_timeout``.

        :raises TopologyError: Airflow has no such connection.
        :raises OracleUnreachable: there is no answer, or none in time.
        :raises OracleCredentials: the database refused the login.
        """
        target = self.target()
        outcome: list[Any] = []
        given_up = threading.Event()
        guard = threading.Lock()
        connect = super().get_conn

        def work() -> None:
            try:
                result: Any = connect()
            except Exception as error:
                result = error
            with guard:
                outcome.append(result)
                late = given_up.is_set()
            if late and isinstance(result, oracledb.Connection):
                result.close()

        # A daemon: a thread that waits for a silent listener must not keep the task's process alive.
        thread = threading.Thread(target=work, name=f"connect-{self.conn_id}", daemon=True)
        thread.start()
        thread.join(self.connect_timeout + _MARGIN)
        with guard:
            if not outcome:
                given_up.set()
                raise OracleUnreachable(
                    f"Connect: {target}: no answer within {self.connect_timeout:g} s.",
                    "Check the listener (`lsnrctl status`); its port may accept and never answer.",
                )
        result = outcome[0]
        if isinstance(result, oracledb.Error):
            raise classify(str(result), "Connect", target) from None
        if isinstance(result, OSError):
            raise OracleUnreachable(
                f"Connect: {target}: {result.strerror or result}.",
                "Check that host and listener run, and that the port is open to Airflow.",
            ) from None
        if isinstance(result, InfoMartError):
            raise result
        if isinstance(result, Exception):
            raise TopologyError(
                f"Connect: {target}: the Airflow connection cannot be used ({type(result).__name__}).",
                f"Correct host, port, schema and extra of the connection {self.conn_id}.",
            ) from None
        opened: oracledb.Connection = result
        try:
            with _typed("Connect", target):
                # milliseconds for one round trip
                opened.call_timeout = int(self.statement_timeout * 1000)
        except OracleError:
            _quietly(opened.close)
            raise
        return opened

    @contextmanager
    def _session(self, *, commit: bool) -> Iterator[Session]:
        target = self.target()
        with stopwatch.outside():
            yield from self._open_session(target, commit)

    def _open_session(self, target: str, commit: bool) -> Iterator[Session]:
        connection = self.get_conn()
        try:
            session = Session(connection, target)
            if commit:
                self._before_change(session)
            yield session
            if commit:
                with _typed("Commit", target):
                    connection.commit()
        except BaseException:
            if commit:
                _quietly(connection.rollback)
            raise
        finally:
            _quietly(connection.close)

    # -- statements --------------------------------------------------------------------------------

    def select(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> list[Row]:
        """Rows of a query.

        :param name: file in ``include/sql`` without suffix.
        :param identifiers: schema, table and column names that the file has as ``{{ name }}``.
        :param binds: values.
        :return: one dictionary per row, keys in lower case, LOBs read.
        """
        with self._session(commit=False) as session:
            return session.select(name, identifiers, **binds)

    def value(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> ColumnValue:
        """First column of the first row; None when there is no row."""
        with self._session(commit=False) as session:
            return session.value(name, identifiers, **binds)

    def execute(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> int:
        """Change rows and commit.

        :return: number of rows.
        """
        with self._session(commit=True) as session:
            return session.execute(name, identifiers, **binds)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Several statements in one transaction, committed at the end, rolled back on an error."""
        with self._session(commit=True) as session:
            yield session

    def run_text(self, sql: str | Sequence[str]) -> None:
        """Run generated statements, such as a list of DDL. The caller has validated every identifier in them.

        :param sql: one statement or several, without closing semicolon; DDL commits itself.
        """
        statements: Iterable[str] = [sql] if isinstance(sql, str) else list(sql)
        target = self.target()
        with self._session(commit=True) as session:
            for number, text in enumerate(statements, start=1):
                words = " ".join(text.split()[:4])[:80]
                with (
                    _typed(f"Generated statement {number} ({words})", target),
                    session._connection.cursor() as cursor,
                ):
                    cursor.execute(text)

    def select_text(self, sql: str, subject: str) -> list[Row]:
        """Rows of a generated query. The caller has validated every identifier in it.

        :param sql: one query without binds.
        :param subject: its name in an error.
        """
        target = self.target()
        with (
            self._session(commit=False) as session,
            _typed(subject, target),
            session._connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return rows_of(cursor)


def _quietly(action: Any) -> None:
    """Close a connection that may be closed already."""
    with suppress(oracledb.Error):
        action()
