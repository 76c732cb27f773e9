"""Messages of Oracle near those of real databases and drivers: which of them a retry may help."""

from __future__ import annotations

import pytest

from infomart_dr.errors import CredentialsError
from infomart_dr.hooks.oracle import classify, deciding_code

TRANSIENT = [
    'DPY-6005: cannot connect to database.\nDPY-6001: Service "GIM" is not registered. (Similar to ORA-12514)',
    "DPY-6005: cannot connect to database (CONNECTION_ID=abc).\n[Errno 111] Connection refused",
    "DPY-6005: cannot connect to database (CONNECTION_ID=abc).\n[Errno -2] Name or service not known",
    "DPY-6005: cannot connect to database (CONNECTION_ID=abc).\ntimed out",
    "DPY-6005: cannot connect to database.\nDPY-6000: Listener refused connection. (Similar to ORA-12564)",
    "DPY-6005: cannot connect to database.\nDPY-6000: Listener refused connection. (Similar to ORA-12516)",
    "DPY-6005: cannot connect to database.\nDPY-6000: Listener refused connection. (Similar to ORA-12528)",
    "ORA-00257: Archiver error. Connect AS SYSDBA only until resolved.",
    "ORA-00257: archiver error. Connect internal only, until freed.",
    "ORA-00257: Archiver error. Connect AS SYSDBA only until resolved.\nHelp: "
    "https://docs.oracle.com/error-help/db/ora-00257/",
    "ORA-00257: Archivierungsfehler. Verbindung nur AS SYSDBA moeglich, bis der Fehler behoben ist.",
    "ORA-00257: 归档程序错误。在解析之前仅以 AS SYSDBA 方式连接。",
    "ORA-00604: error occurred at recursive SQL level 1\nORA-00257: archiver error",
    "ORA-02002: error while writing to audit trail\nORA-00257: Archiver error.",
    "ORA-16038: log 2 sequence# 1201 cannot be archived\nORA-19809: limit exceeded for recovery files",
    "ORA-19815: WARNING: db_recovery_file_dest_size of 107374182400 bytes is 100.00% used",
    "ORA-03113: end-of-file on communication channel\nProcess ID: 1234\nSession ID: 12 Serial number: 3",
    "DPY-4011: the database or network closed the connection\nDPI-1080: connection was closed by ORA-3113",
    "DPI-1080: connection was closed by ORA-3135",
    "DPY-4024: call timeout of 120000 ms exceeded\nDPI-1067: call timeout of 120000 ms exceeded with ORA-3156",
    "DPI-1067: call timeout of 120000 ms exceeded with ORA-3156",
    "DPI-1067: call timeout of 120000 ms exceeded with ORA-3136",
    "ORA-12541: TNS:no listener",
    "ORA-12541: Cannot connect. No listener at host db port 1521.",
    "TNS-12541: TNS:no listener",
    "ORA-12514: TNS:listener does not currently know of service requested in connect descriptor",
    "ORA-12521: TNS:listener does not currently know of instance requested in connect descriptor",
    "ORA-12523: TNS:listener could not find instance appropriate for the client connection",
    "ORA-12527: TNS:all instances are in restricted mode or blocking new connections",
    "ORA-12529: TNS:connect request rejected based on current filtering rules",
    "ORA-12532: TNS:invalid argument",
    "ORA-12540: TNS:internal limit restriction exceeded",
    "ORA-12542: TNS:address already in use",
    "ORA-12549: TNS:operating system resource quota exceeded",
    "ORA-12555: TNS:permission denied",
    "ORA-12569: TNS:packet checksum failure",
    "ORA-12592: TNS:bad packet",
    "ORA-12599: TNS:cryptographic checksum mismatch",
    "ORA-12161: TNS:internal error: partial data received",
    "ORA-02391: exceeded simultaneous SESSIONS_PER_USER limit",
    "ORA-02399: exceeded maximum connect time, you are being logged off",
    'ORA-04031: unable to allocate 4160 bytes of shared memory ("shared pool","select ...")',
    "ORA-04030: out of process memory when trying to allocate 16328 bytes",
    "ORA-04036: PGA memory used by the instance exceeds PGA_AGGREGATE_LIMIT",
    "ORA-12801: error signaled in parallel query server P001\nORA-01652: unable to extend temp segment by 128 in "
    "tablespace TEMP",
    "ORA-01654: unable to extend index GIM.I by 128 in tablespace GIM",
    "ORA-01655: unable to extend cluster GIM.C by 8 in tablespace GIM",
    "ORA-01659: unable to allocate MINEXTENTS beyond 1 in tablespace GIM",
    "ORA-01683: unable to extend index GIM.I partition P1 by 128 in tablespace GIM",
    "ORA-01692: unable to extend lob segment GIM.L partition P1 by 128 in tablespace GIM",
    "ORA-01536: space quota exceeded for tablespace 'USERS'",
    "ORA-30032: the suspended (resumable) statement has timed out",
    "ORA-01591: lock held by in-doubt distributed transaction 1.21.17",
    "ORA-10456: cannot open standby database; media recovery session may be in progress",
    "ORA-01034: ORACLE not available\nORA-27101: shared memory realm does not exist\nLinux-x86_64 Error: 2: No "
    "such file or directory",
    "ORA-01033: ORACLE initialization or shutdown in progress",
    "ORA-12757: instance does not currently know of requested service",
    "ORA-00060: deadlock detected while waiting for resource",
    "ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired",
    "ORA-14403: cursor invalidation detected after getting DML partition lock",
    "ORA-14452: attempt to create, alter or drop an index on temporary table already in use",
    "ORA-08103: object no longer exists",
    "ORA-01410: invalid ROWID",
    "ORA-00030: User session ID does not exist.",
    "ORA-12152: TNS:unable to send break message",
    "ORA-12150: TNS:unable to send data",
    "ORA-12151: TNS:received bad packet type from network layer",
    "ORA-01110: data file 4: '/u01/x.dbf'\nORA-01115: IO error reading block from file 4 (block # 12)",
    "ORA-00604: error occurred at recursive SQL level 1\nORA-04088: error during execution of trigger "
    "'SYS.LOGON_T'\nORA-04021: timeout occurred while waiting to lock object",
]
PERMANENT = [
    "DPY-6005: cannot connect to database (CONNECTION_ID=x).\nDPY-3010: connections to this database server version "
    "are not supported by python-oracledb in thin mode\nHelp: https://x",
    "DPY-6005: cannot connect to database.\nDPY-3001: Native Network Encryption and Data Integrity is only "
    "supported in python-oracledb thick mode",
    "DPY-6005: cannot connect to database.\nDPY-3015: password verifier type 0x939 is not supported by "
    "python-oracledb in thin mode",
    "DPY-6005: cannot connect to database.\nDPY-3016: python-oracledb thin mode cannot be used because the "
    "cryptography package is not installed",
    "DPY-6005: cannot connect to database.\nDPY-6002: The distinguished name (DN) on the server certificate does "
    "not match",
    "DPY-6005: cannot connect to database.\n[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to "
    "get local issuer certificate (_ssl.c:1006)",
    "ORA-00942: table or view does not exist",
    "ORA-06550: line 1, column 7:\nPLS-00201: identifier 'SYS.DBMS_IJOB' must be declared",
    "ORA-28040: No matching authentication protocol",
    "ORA-16000: database or pluggable database open for read-only access",
    "ORA-00900: invalid SQL statement",
    "ORA-28759: failure to open file",
    "ORA-29024: Certificate validation failure",
    "ORA-12650: No common encryption or data integrity algorithm",
    'DPI-1047: Cannot locate a 64-bit Oracle Client library: "libclntsh.so: cannot open shared object file"',
    "DPY-4026: file tnsnames.ora not found in /etc",
    "ORA-65162: password of the common database user has expired",
]
CREDENTIALS = [
    "ORA-01017: invalid username/password; logon denied",
    "ORA-01017: invalid credential or not authorized; logon denied\nHelp: "
    "https://docs.oracle.com/error-help/db/ora-01017/",
    "DPY-4001: no credentials specified\nORA-01005: null password given; logon denied",
    "ORA-28000: The account is locked.",
    "ORA-28001: the password has expired",
]


@pytest.mark.parametrize("text", TRANSIENT)
def test_what_may_pass_is_retried(text: str) -> None:
    error = classify(text, "Statement x", "gim_site2")
    assert error.retryable and not isinstance(error, CredentialsError), error.code
    assert error.next_step


@pytest.mark.parametrize("text", PERMANENT)
def test_what_a_person_must_change_is_not_retried(text: str) -> None:
    error = classify(text, "Statement x", "gim_site2")
    assert not error.retryable and not isinstance(error, CredentialsError), error.code


@pytest.mark.parametrize("text", CREDENTIALS)
def test_a_refused_login_is_not_repeated(text: str) -> None:
    assert isinstance(classify(text, "Login", "gim_site2"), CredentialsError)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DPI-1080: connection was closed by ORA-3113", "ORA-03113"),
        ("TNS-12541: TNS:no listener", "ORA-12541"),
        ("DPI-1067: call timeout of 1 ms exceeded with ORA-3156", "ORA-03156"),
        ("DPY-6005: cannot connect to database.\nDPY-3099: something new is not supported", "DPY-3099"),
        ("ORA-00604: error occurred at recursive SQL level 1\nORA-00257: archiver error", "ORA-00257"),
    ],
)
def test_numbers_without_zeros_and_wrapped_ones_are_found(text: str, code: str) -> None:
    assert deciding_code(text) == code


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ORA-00257: 归档程序错误。", "DB_RECOVERY_FILE_DEST_SIZE"),
        ("ORA-01683: unable to extend index GIM.I partition P1", "Add space to the tablespace"),
        ("DPI-1067: call timeout of 120000 ms exceeded with ORA-3156", "timeouts.statement"),
        ("DPY-6005: x.\n[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "certificate"),
        ("DPY-6005: x.\nDPY-3099: something new is not supported", "thick mode"),
        ("DPY-6005: x.\nDPY-3016: the cryptography package is not installed", "cryptography"),
    ],
)
def test_the_next_step_names_the_remedy(text: str, word: str) -> None:
    assert word in classify(text, "Statement x", "gim_site2").next_step
