-- Oracle's dictionary and functions over PostgreSQL's catalog. May be run again at any time.
-- Names are lower case here and upper case for clients; only schemas of Oracle users (sys.lab_users) show.

CREATE SCHEMA IF NOT EXISTS sys;
GRANT USAGE ON SCHEMA sys TO public;

-- base tables ---------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS sys.lab_users (
    username text PRIMARY KEY, created timestamp(0) NOT NULL DEFAULT now(),
    account_status varchar(32) NOT NULL DEFAULT 'OPEN', expiry_date timestamp(0) DEFAULT now() + interval '180 days',
    profile varchar(128) NOT NULL DEFAULT 'DEFAULT');
CREATE TABLE IF NOT EXISTS sys.lab_site (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), site text NOT NULL, database_name text NOT NULL,
    dbid bigint NOT NULL, host_name text NOT NULL, version text NOT NULL, banner text NOT NULL,
    created timestamp(0) NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS sys.lab_capture (
    capture_name varchar(128) PRIMARY KEY, client_name varchar(128), first_scn numeric NOT NULL,
    start_scn numeric NOT NULL, status varchar(8) NOT NULL DEFAULT 'ENABLED');
CREATE TABLE IF NOT EXISTS sys.lab_datapump_jobs (
    owner_name varchar(128) NOT NULL, job_name varchar(128) NOT NULL, operation varchar(128) NOT NULL,
    job_mode varchar(128) NOT NULL, state varchar(30) NOT NULL, degree integer NOT NULL DEFAULT 1,
    attached_sessions integer NOT NULL DEFAULT 0, datapump_sessions integer NOT NULL DEFAULT 0, pid integer,
    home text, PRIMARY KEY (owner_name, job_name));
CREATE TABLE IF NOT EXISTS sys.lab_resumable (
    name varchar(4000) PRIMARY KEY, user_name varchar(128) NOT NULL, status varchar(9) NOT NULL DEFAULT 'NORMAL',
    suspend_time timestamp(0), resume_time timestamp(0), error_msg varchar(4000));
CREATE TABLE IF NOT EXISTS sys.lab_directories (
    directory_name varchar(128) PRIMARY KEY, directory_path varchar(4000) NOT NULL);
CREATE TABLE IF NOT EXISTS sys.lab_log_groups (
    owner varchar(128) NOT NULL, table_name varchar(128) NOT NULL, log_group_name varchar(128) NOT NULL,
    log_group_type varchar(28) NOT NULL DEFAULT 'USER LOG GROUP', always varchar(11) NOT NULL DEFAULT 'ALWAYS',
    PRIMARY KEY (owner, table_name, log_group_name));
CREATE TABLE IF NOT EXISTS sys.lab_scheduler_jobs (
    owner varchar(128) NOT NULL, job_name varchar(128) NOT NULL, enabled boolean NOT NULL DEFAULT true,
    job_action varchar(4000), repeat_interval varchar(4000), state varchar(20) NOT NULL DEFAULT 'SCHEDULED',
    last_start_date timestamptz, next_run_date timestamptz, PRIMARY KEY (owner, job_name));
CREATE TABLE IF NOT EXISTS sys.lab_jobs (
    job bigint PRIMARY KEY, owner varchar(128) NOT NULL, broken boolean NOT NULL DEFAULT false, what varchar(4000),
    next_date timestamp(0) NOT NULL, this_date timestamp(0), last_date timestamp(0));
CREATE TABLE IF NOT EXISTS sys.lab_parameters (name varchar(80) PRIMARY KEY, value varchar(4000));
-- objects that PostgreSQL does not have: packages and types, synonyms, grants on objects of SYS, invalid views
CREATE TABLE IF NOT EXISTS sys.lab_source (
    owner varchar(128) NOT NULL, type varchar(12) NOT NULL, name varchar(128) NOT NULL, text text NOT NULL,
    status varchar(7) NOT NULL DEFAULT 'VALID', PRIMARY KEY (owner, type, name));
CREATE TABLE IF NOT EXISTS sys.lab_synonyms (
    owner varchar(128) NOT NULL, synonym_name varchar(128) NOT NULL, table_owner varchar(128) NOT NULL,
    table_name varchar(128) NOT NULL, db_link varchar(128), PRIMARY KEY (owner, synonym_name));
CREATE TABLE IF NOT EXISTS sys.lab_object_grants (
    grantee varchar(128) NOT NULL, owner varchar(128) NOT NULL, table_name varchar(128) NOT NULL,
    privilege varchar(40) NOT NULL, grantable varchar(3) NOT NULL DEFAULT 'NO',
    PRIMARY KEY (grantee, owner, table_name, privilege));
-- text: PostgreSQL's definition of a view that went with a table; NULL: the view is there and counts as invalid
CREATE TABLE IF NOT EXISTS sys.lab_invalid (
    owner varchar(128) NOT NULL, object_type varchar(23) NOT NULL, object_name varchar(128) NOT NULL, text text,
    PRIMARY KEY (owner, object_type, object_name));
CREATE TABLE IF NOT EXISTS sys.lab_privileges (
    grantee varchar(128) NOT NULL, privilege varchar(40) NOT NULL, PRIMARY KEY (grantee, privilege));
-- ALTER on a job of the scheduler, granted directly
CREATE TABLE IF NOT EXISTS sys.lab_job_grants (
    grantee varchar(128) NOT NULL, owner varchar(128) NOT NULL, job_name varchar(128) NOT NULL,
    PRIMARY KEY (grantee, owner, job_name));
CREATE UNLOGGED TABLE IF NOT EXISTS sys.lab_scn_time (
    scn numeric NOT NULL, time_dp timestamptz NOT NULL,
    lsn numeric GENERATED ALWAYS AS (scn) STORED, at timestamptz GENERATED ALWAYS AS (time_dp) STORED);
CREATE INDEX IF NOT EXISTS lab_scn_time_at ON sys.lab_scn_time (time_dp, scn);

CREATE TABLE IF NOT EXISTS sys.lab_goldengate_privileges (
    username varchar(128) PRIMARY KEY, privilege_type varchar(9) NOT NULL);
CREATE TABLE IF NOT EXISTS sys.lab_tablespaces (tablespace_name varchar(30) PRIMARY KEY, contents varchar(21) NOT NULL);
CREATE TABLE IF NOT EXISTS sys.lab_profiles (profile varchar(128) PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sys.lab_roles (role varchar(128) PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sys.lab_grants (
    grantee varchar(128) NOT NULL, owner varchar(128) NOT NULL, table_name varchar(128) NOT NULL,
    privilege varchar(40) NOT NULL, PRIMARY KEY (grantee, owner, table_name, privilege));
-- Properties that a table of PostgreSQL does not have: compression, logging, the interval of its partitions, support by
-- GoldenGate, a LOB's PCTVERSION
CREATE TABLE IF NOT EXISTS sys.lab_tables (
    owner varchar(128) NOT NULL, table_name varchar(128) NOT NULL, compress_for varchar(30),
    logging varchar(3) NOT NULL DEFAULT 'YES', interval varchar(1000), support_mode varchar(17) NOT NULL DEFAULT 'FULL',
    bad_column varchar(1), lob_column varchar(128), pctversion numeric, PRIMARY KEY (owner, table_name));

-- End of the newest partition of the tables that only a site's own server maintains; empty: they have none
CREATE TABLE IF NOT EXISTS sys.lab_partitions (schema_name varchar(128) PRIMARY KEY, partition_end bigint NOT NULL);

-- functions of Oracle -----------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION sys.sysdate() RETURNS timestamp(0) LANGUAGE sql STABLE AS
    $$SELECT date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC')::timestamp(0)$$;
CREATE OR REPLACE FUNCTION sys.systimestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$SELECT clock_timestamp()$$;
CREATE OR REPLACE FUNCTION sys.sys_extract_utc(timestamptz) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
    $$SELECT $1 AT TIME ZONE 'UTC'$$;
CREATE OR REPLACE FUNCTION sys.oracle_user() RETURNS varchar LANGUAGE sql STABLE AS $$SELECT upper(session_user)::varchar$$;
CREATE OR REPLACE FUNCTION sys.ora_hash(text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    -- the argument stands once, so that PostgreSQL can put the function into the query
    $$SELECT coalesce(hashtextextended(nullif($1, ''), 0) & 4294967295, 0)$$;
CREATE OR REPLACE FUNCTION sys.ora_hash(numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT sys.ora_hash(trim_scale($1)::text)$$;
CREATE OR REPLACE FUNCTION sys.ora_hash(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT sys.ora_hash($1::text)$$;
CREATE OR REPLACE FUNCTION sys.ora_hash(timestamp) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
    $$SELECT sys.ora_hash($1::text)$$;
CREATE OR REPLACE FUNCTION sys.ora_hash(text, numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT sys.ora_hash($1) % ($2::bigint + 1)$$;
CREATE OR REPLACE FUNCTION sys.ora_hash(text, numeric, numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT (hashtextextended(coalesce($1, ''), $3::bigint) & 4294967295) % ($2::bigint + 1)$$;
CREATE OR REPLACE FUNCTION sys.rawtohex(bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT upper(encode($1, 'hex'))$$;
CREATE OR REPLACE FUNCTION sys.lab_format(text) RETURNS text LANGUAGE sql IMMUTABLE AS
    -- FF and FF1 to FF9 of Oracle are FF1 to FF6 and US of PostgreSQL; RR is YY
    $$SELECT replace(regexp_replace(regexp_replace($1, 'FF[6-9]?(?![0-9])', 'US', 'gi'), 'RR', 'YY', 'g'), 'fm', 'FM')$$;
CREATE OR REPLACE FUNCTION sys.to_char(timestamp, text) RETURNS text LANGUAGE sql STABLE AS
    $$SELECT pg_catalog.to_char($1, sys.lab_format($2))$$;
CREATE OR REPLACE FUNCTION sys.to_char(timestamptz, text) RETURNS text LANGUAGE sql STABLE AS
    $$SELECT pg_catalog.to_char($1, sys.lab_format($2))$$;
CREATE OR REPLACE FUNCTION sys.to_char(numeric) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT regexp_replace(trim_scale($1)::text, '^(-?)0\.', '\1.')$$;
CREATE OR REPLACE FUNCTION sys.to_char(numeric, text, text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    -- the format TM9 and NLS settings of the statement
    $$SELECT sys.to_char($1)$$;
CREATE OR REPLACE FUNCTION sys.to_char(double precision, text, text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT $1::text$$;
CREATE OR REPLACE FUNCTION sys.convert(text, text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT $1$$;
CREATE OR REPLACE FUNCTION sys.to_char(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
CREATE OR REPLACE FUNCTION sys.to_char(timestamp) RETURNS text LANGUAGE sql STABLE AS
    $$SELECT pg_catalog.to_char($1, 'DD-MON-YY')$$;
CREATE OR REPLACE FUNCTION sys.to_date(text, text) RETURNS timestamp(0) LANGUAGE sql STABLE AS
    $$SELECT (pg_catalog.to_timestamp($1, sys.lab_format($2)) AT TIME ZONE 'UTC')::timestamp(0)$$;
CREATE OR REPLACE FUNCTION sys.to_timestamp(text, text) RETURNS timestamp LANGUAGE sql STABLE AS
    $$SELECT pg_catalog.to_timestamp($1, sys.lab_format($2)) AT TIME ZONE 'UTC'$$;
CREATE OR REPLACE FUNCTION sys.to_number(text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$SELECT $1::numeric$$;
CREATE OR REPLACE FUNCTION sys.to_number(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
CREATE OR REPLACE FUNCTION sys.trunc(timestamp) RETURNS timestamp(0) LANGUAGE sql IMMUTABLE AS $$SELECT date_trunc('day', $1)$$;
CREATE OR REPLACE FUNCTION sys.trunc(timestamp, text) RETURNS timestamp(0) LANGUAGE sql IMMUTABLE AS
    $$SELECT date_trunc(CASE upper($2) WHEN 'HH' THEN 'hour' WHEN 'HH24' THEN 'hour' WHEN 'MI' THEN 'minute'
        WHEN 'DD' THEN 'day' WHEN 'DDD' THEN 'day' WHEN 'MM' THEN 'month' WHEN 'MON' THEN 'month'
        WHEN 'MONTH' THEN 'month' WHEN 'YYYY' THEN 'year' WHEN 'YEAR' THEN 'year' WHEN 'IW' THEN 'week' ELSE $2 END, $1)$$;
CREATE OR REPLACE FUNCTION sys.instr(text, text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$SELECT strpos($1, $2)$$;
CREATE OR REPLACE FUNCTION sys.substr(text, integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT nullif(CASE WHEN $2 < 0 THEN right($1, -$2) ELSE pg_catalog.substr($1, greatest($2, 1)) END, '')$$;
CREATE OR REPLACE FUNCTION sys.substr(text, integer, integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT nullif(CASE WHEN $3 < 1 THEN NULL WHEN $2 < 0 THEN left(right($1, -$2), $3)
        ELSE pg_catalog.substr($1, greatest($2, 1), $3) END, '')$$;
CREATE OR REPLACE FUNCTION sys.numtodsinterval(numeric, text) RETURNS interval LANGUAGE sql IMMUTABLE AS
    $$SELECT $1::double precision * ('1 ' || $2)::interval$$;
CREATE OR REPLACE FUNCTION sys.add_months(timestamp, numeric) RETURNS timestamp(0) LANGUAGE sql IMMUTABLE AS
    $$SELECT $1 + make_interval(months => $2::integer)$$;
CREATE OR REPLACE FUNCTION sys.nvl2(anyelement, anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS
    $$SELECT CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END$$;
CREATE OR REPLACE FUNCTION sys.sys_context(text, text) RETURNS varchar LANGUAGE sql STABLE SECURITY DEFINER AS
    $$SELECT (CASE WHEN upper($1) <> 'USERENV' THEN NULL
        WHEN upper($2) IN ('SESSION_USER', 'CURRENT_USER') THEN upper(session_user)
        WHEN upper($2) = 'CURRENT_SCHEMA' THEN upper(current_schema())
        WHEN upper($2) IN ('DB_NAME', 'DB_UNIQUE_NAME', 'SERVICE_NAME', 'INSTANCE_NAME')
            THEN (SELECT database_name FROM sys.lab_site)
        WHEN upper($2) IN ('SERVER_HOST', 'HOST') THEN (SELECT host_name FROM sys.lab_site)
        WHEN upper($2) = 'SID' THEN pg_backend_pid()::text
        WHEN upper($2) = 'CON_NAME' THEN (SELECT value FROM sys.lab_parameters WHERE name = 'container')
        WHEN upper($2) = 'CON_ID' THEN (SELECT CASE value WHEN 'CDB$ROOT' THEN '1' ELSE '3' END
            FROM sys.lab_parameters WHERE name = 'container') END)::varchar$$;
CREATE OR REPLACE FUNCTION sys.scn_at(timestamptz) RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER AS
    $$SELECT coalesce((SELECT scn FROM sys.lab_scn_time WHERE time_dp <= $1 ORDER BY time_dp DESC LIMIT 1),
        (SELECT min(scn) FROM sys.lab_scn_time), 0)$$;
CREATE OR REPLACE FUNCTION sys.timestamp_to_scn(timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$SELECT sys.scn_at($1)$$;
CREATE OR REPLACE FUNCTION sys.timestamp_to_scn(timestamp) RETURNS numeric LANGUAGE sql STABLE AS
    $$SELECT sys.scn_at($1 AT TIME ZONE 'UTC')$$;
CREATE OR REPLACE FUNCTION sys.scn_to_timestamp(numeric) RETURNS timestamp LANGUAGE sql STABLE SECURITY DEFINER AS
    $$SELECT max(time_dp) AT TIME ZONE 'UTC' FROM sys.lab_scn_time WHERE scn <= $1$$;

-- operators: NULL in a concatenation is nothing; a day is the unit of DATE arithmetic ----------------------

CREATE OR REPLACE FUNCTION sys.lab_concat(text, text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    -- each argument stands once, so that PostgreSQL can put the function into the query
    $$SELECT nullif(textcat(coalesce($1, ''), coalesce($2, '')), '')$$;
CREATE OR REPLACE FUNCTION sys.lab_concat(anynonarray, text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
    $$SELECT sys.lab_concat($1::text, $2)$$;
CREATE OR REPLACE FUNCTION sys.lab_concat(text, anynonarray) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
    $$SELECT sys.lab_concat($1, $2::text)$$;
CREATE OR REPLACE FUNCTION sys.lab_minus(timestamp, timestamp) RETURNS numeric LANGUAGE sql IMMUTABLE AS
    $$SELECT extract(epoch FROM timestamp_mi($1, $2)) / 86400$$;
CREATE OR REPLACE FUNCTION sys.lab_minus(timestamp, numeric) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
    $$SELECT timestamp_mi_interval($1, make_interval(secs => round($2 * 86400)::double precision))$$;
CREATE OR REPLACE FUNCTION sys.lab_plus(timestamp, numeric) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
    $$SELECT timestamp_pl_interval($1, make_interval(secs => round($2 * 86400)::double precision))$$;
CREATE OR REPLACE FUNCTION sys.lab_minus(timestamptz, numeric) RETURNS timestamp LANGUAGE sql STABLE AS
    $$SELECT sys.lab_minus($1 AT TIME ZONE 'UTC', $2)$$;
CREATE OR REPLACE FUNCTION sys.lab_plus(timestamptz, numeric) RETURNS timestamp LANGUAGE sql STABLE AS
    $$SELECT sys.lab_plus($1 AT TIME ZONE 'UTC', $2)$$;
DO $$
DECLARE wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES ('||', 'text', 'text', 'lab_concat'), ('||', 'anynonarray', 'text', 'lab_concat'),
        ('||', 'text', 'anynonarray', 'lab_concat'), ('-', 'timestamp', 'timestamp', 'lab_minus'),
        ('-', 'timestamp', 'numeric', 'lab_minus'), ('+', 'timestamp', 'numeric', 'lab_plus'),
        ('-', 'timestamptz', 'numeric', 'lab_minus'), ('+', 'timestamptz', 'numeric', 'lab_plus')) v(op, l, r, f) LOOP
        IF to_regoperator(format('sys.%s(%s,%s)', wanted.op, wanted.l, wanted.r)) IS NULL THEN
            EXECUTE format('CREATE OPERATOR sys.%s (FUNCTION = sys.%I, LEFTARG = %s, RIGHTARG = %s)',
                wanted.op, wanted.f, wanted.l, wanted.r);
        END IF;
    END LOOP;
END $$;

-- helpers of the views ------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION sys.lab_next_value(oid) RETURNS numeric LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE found numeric;
BEGIN
    EXECUTE format('SELECT CASE WHEN s.is_called THEN s.last_value + q.seqincrement ELSE s.last_value END '
        'FROM %s s, pg_sequence q WHERE q.seqrelid = %s', $1::regclass, $1) INTO found;
    RETURN found;
EXCEPTION WHEN undefined_table THEN
    RETURN NULL;  -- dropped meanwhile
END $$;
CREATE OR REPLACE FUNCTION sys.lab_type(oid, integer) RETURNS varchar LANGUAGE sql IMMUTABLE AS
    $$SELECT (CASE $1 WHEN 1043 THEN 'VARCHAR2' WHEN 1042 THEN 'CHAR' WHEN 25 THEN 'CLOB' WHEN 17 THEN 'RAW'
        WHEN 1114 THEN CASE WHEN $2 = 0 THEN 'DATE' ELSE 'TIMESTAMP(' || CASE WHEN $2 > 0 THEN $2 ELSE 6 END || ')' END
        WHEN 1184 THEN 'TIMESTAMP(6) WITH TIME ZONE' WHEN 1082 THEN 'DATE' WHEN 114 THEN 'CLOB' WHEN 3802 THEN 'CLOB'
        ELSE CASE WHEN $1 IN (20, 21, 23, 1700, 16, 700, 701) THEN 'NUMBER' ELSE upper(format_type($1, $2)) END END)::varchar$$;
CREATE OR REPLACE FUNCTION sys.lab_tablespace() RETURNS varchar LANGUAGE sql STABLE SECURITY DEFINER AS
    $$SELECT value FROM sys.lab_parameters WHERE name = 'schema_tablespace'$$;
-- The views belong to the superuser: what they read does not depend on the client's privileges.

CREATE OR REPLACE VIEW sys.lab_schemas AS
    SELECT n.oid, n.nspname, u.username::varchar AS owner FROM pg_namespace n JOIN sys.lab_users u ON n.nspname = lower(u.username);
CREATE OR REPLACE VIEW sys.lab_relations AS
    SELECT c.oid, c.relkind, c.relpersistence, c.relispartition, s.owner, upper(c.relname)::varchar AS name,
        c.reltuples, c.relnamespace, c.reltablespace
    FROM pg_class c JOIN sys.lab_schemas s ON s.oid = c.relnamespace;

CREATE OR REPLACE VIEW sys.dual AS SELECT 'X'::varchar(1) AS dummy;

CREATE OR REPLACE VIEW sys.v$database AS
    SELECT dbid, database_name::varchar AS name, database_name::varchar AS db_unique_name, created,
        (pg_current_wal_insert_lsn() - '0/0')::numeric AS current_scn, 'ARCHIVELOG'::varchar AS log_mode,
        'READ WRITE'::varchar AS open_mode, 'PRIMARY'::varchar AS database_role, 'NO'::varchar AS cdb,
        (SELECT value FROM sys.lab_parameters WHERE name = 'supplemental_log_data_min') AS supplemental_log_data_min,
        'NO'::varchar AS supplemental_log_data_pk, 'NO'::varchar AS supplemental_log_data_ui,
        'NO'::varchar AS supplemental_log_data_fk, 'NO'::varchar AS supplemental_log_data_all,
        (SELECT value FROM sys.lab_parameters WHERE name = 'force_logging') AS force_logging,
        'Linux x86 64-bit'::varchar AS platform_name, 'NO'::varchar AS flashback_on
    FROM sys.lab_site;
CREATE OR REPLACE VIEW sys.gv$database AS SELECT 1 AS inst_id, d.* FROM sys.v$database d;
CREATE OR REPLACE VIEW sys.v$instance AS
    SELECT 1 AS instance_number, database_name::varchar AS instance_name, host_name::varchar AS host_name,
        version::varchar AS version, version::varchar AS version_full,
        date_trunc('second', pg_postmaster_start_time() AT TIME ZONE 'UTC')::timestamp(0) AS startup_time, 'OPEN'::varchar AS status,
        'ACTIVE'::varchar AS database_status, 'PRIMARY_INSTANCE'::varchar AS instance_role,
        'STARTED'::varchar AS archiver, 'ALLOWED'::varchar AS logins, 1 AS "thread#"
    FROM sys.lab_site;
CREATE OR REPLACE VIEW sys.v$thread AS
    SELECT n::numeric AS "thread#", 'OPEN'::varchar AS status, 'PUBLIC'::varchar AS enabled
    FROM sys.lab_parameters p, generate_series(1, p.value::integer) AS n WHERE p.name = 'redo_threads';
CREATE OR REPLACE VIEW sys.v$logfile AS
    SELECT n::numeric AS "group#", 'ONLINE'::varchar AS type, (p.value || '/redo0' || n || '.log')::varchar AS member
    FROM sys.lab_parameters p, generate_series(1, 3) AS n WHERE p.name = 'redo_folder';
CREATE OR REPLACE VIEW sys.gv$instance AS SELECT 1 AS inst_id, i.* FROM sys.v$instance i;
CREATE OR REPLACE VIEW sys.v$version AS
    SELECT replace(banner, 'Enterprise Edition', edition.value)::varchar AS banner,
        replace(banner, 'Enterprise Edition', edition.value)::varchar AS banner_full, 0 AS con_id
    FROM sys.lab_site, sys.lab_parameters edition WHERE edition.name = 'edition';
CREATE OR REPLACE VIEW sys.v$timezone_file AS
    SELECT ('timezlrg_' || value || '.dat')::varchar AS filename, value::numeric AS version, 0 AS con_id
    FROM sys.lab_parameters WHERE name = 'timezone_version';
CREATE OR REPLACE VIEW sys.product_component_version AS
    SELECT split_part(banner, ' Release ', 1)::varchar AS product, version::varchar AS version,
        version::varchar AS version_full, 'Production'::varchar AS status FROM sys.lab_site;
CREATE OR REPLACE VIEW sys.v$parameter AS
    SELECT row_number() OVER (ORDER BY name) AS num, name, value, value AS display_value, 'FALSE'::varchar AS isdefault
    FROM sys.lab_parameters WHERE name NOT IN ('supplemental_log_data_min', 'force_logging', 'timezone_version',
        'nls_characterset', 'nls_nchar_characterset', 'edition', 'schema_tablespace', 'undo_tuned', 'undo_kept',
        'container', 'redo_threads', 'redo_folder', 'ddl_trigger');
CREATE OR REPLACE VIEW sys.gv$parameter AS SELECT 1 AS inst_id, p.* FROM sys.v$parameter p;
CREATE OR REPLACE VIEW sys.v$system_parameter AS SELECT * FROM sys.v$parameter;

CREATE OR REPLACE FUNCTION sys.lab_sessions() RETURNS SETOF pg_stat_activity LANGUAGE sql STABLE SECURITY DEFINER AS
    $$SELECT * FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
        AND application_name NOT IN ('lab_snapshots', 'lab_scn', 'lab_redo')$$;
REVOKE ALL ON FUNCTION sys.lab_sessions() FROM public;
CREATE OR REPLACE VIEW sys.v$session AS
    SELECT a.pid AS sid,
        coalesce(CASE WHEN a.application_name LIKE 'ora|%' THEN nullif(split_part(a.application_name, '|', 6), '')::integer END,
            a.pid % 32768) AS "serial#",
        upper(u.username)::varchar AS username,
        CASE a.state WHEN 'active' THEN 'ACTIVE' ELSE 'INACTIVE' END::varchar AS status,
        (CASE WHEN a.application_name LIKE 'ora|%' THEN split_part(a.application_name, '|', 2)
            ELSE a.application_name END)::varchar AS program,
        nullif(split_part(a.application_name, '|', 5), '')::varchar AS machine,
        nullif(split_part(a.application_name, '|', 3), '')::varchar AS module,
        nullif(split_part(a.application_name, '|', 4), '')::varchar AS osuser,
        lpad(to_hex(a.pid), 16, '0')::varchar AS saddr,
        (CASE WHEN a.backend_xid IS NOT NULL THEN lpad(to_hex(a.pid::bigint + 4294967296), 16, '0') END)::varchar AS taddr,
        1 AS inst_id, date_trunc('second', a.backend_start AT TIME ZONE 'UTC')::timestamp(0) AS logon_time, NULL::varchar AS sql_id,
        'USER'::varchar AS type, a.pid::varchar AS process, upper(u.username)::varchar AS schemaname,
        extract(epoch FROM clock_timestamp() - a.state_change)::bigint AS last_call_et,
        (pg_blocking_pids(a.pid))[1] AS blocking_session, a.wait_event::varchar AS event
    -- A process of GoldenGate names its database user last: it connects as the cluster's owner.
    FROM sys.lab_sessions() a JOIN sys.lab_users u
        ON lower(u.username) = coalesce(lower(nullif(split_part(a.application_name, '|', 7), '')), a.usename);
CREATE OR REPLACE VIEW sys.gv$session AS SELECT * FROM sys.v$session;
CREATE OR REPLACE VIEW sys.v$transaction AS
    SELECT lpad(to_hex(a.pid::bigint + 4294967296), 16, '0')::varchar AS addr,
        (a.backend_xid::text::bigint / 65536)::bigint AS xidusn, (a.backend_xid::text::bigint / 256 % 256)::bigint AS xidslot,
        (a.backend_xid::text::bigint % 256)::bigint AS xidsqn, 'ACTIVE'::varchar AS status,
        to_char(a.xact_start AT TIME ZONE 'UTC', 'MM/DD/YY HH24:MI:SS')::varchar AS start_time,
        date_trunc('second', a.xact_start AT TIME ZONE 'UTC')::timestamp(0) AS start_date,
        -- in the log's order: the sample taken at or before the transaction's start
        sys.scn_at(a.xact_start) AS start_scn, lpad(to_hex(a.pid), 16, '0')::varchar AS ses_addr,
        1 AS used_ublk, 1 AS used_urec, 1 AS inst_id
    FROM sys.lab_sessions() a WHERE a.backend_xid IS NOT NULL;
CREATE OR REPLACE VIEW sys.gv$transaction AS SELECT * FROM sys.v$transaction;

CREATE OR REPLACE VIEW sys.dba_capture AS
    SELECT capture_name, coalesce(client_name, replace(capture_name, 'OGG$CAP_', ''))::varchar AS client_name,
        status, first_scn, start_scn, start_scn AS captured_scn, start_scn AS applied_scn,
        first_scn AS required_checkpoint_scn, 'LOCAL'::varchar AS capture_type, 'GoldenGate'::varchar AS purpose
    FROM sys.lab_capture;
CREATE OR REPLACE VIEW sys.dba_datapump_jobs AS
    SELECT owner_name, job_name, operation, job_mode, state, degree, attached_sessions, datapump_sessions
    FROM sys.lab_datapump_jobs;
CREATE OR REPLACE VIEW sys.user_datapump_jobs AS
    SELECT job_name, operation, job_mode, state, degree, attached_sessions, datapump_sessions
    FROM sys.lab_datapump_jobs WHERE owner_name = upper(session_user);
CREATE OR REPLACE VIEW sys.dba_resumable AS
    SELECT 7::numeric AS user_id, 42::numeric AS session_id, 1::numeric AS instance_id, status,
        7200::numeric AS timeout, to_char(suspend_time, 'MM/DD/YY HH24:MI:SS')::varchar AS suspend_time,
        to_char(resume_time, 'MM/DD/YY HH24:MI:SS')::varchar AS resume_time, name, error_msg
    FROM sys.lab_resumable;
CREATE OR REPLACE VIEW sys.dba_directories AS
    SELECT 'SYS'::varchar AS owner, directory_name, directory_path FROM sys.lab_directories;
CREATE OR REPLACE VIEW sys.all_directories AS SELECT * FROM sys.dba_directories;
CREATE OR REPLACE VIEW sys.dba_users AS
    SELECT username::varchar AS username, (100 + row_number() OVER (ORDER BY username))::bigint AS user_id,
        account_status, sys.lab_tablespace() AS default_tablespace,
        'TEMP'::varchar AS temporary_tablespace, created, profile, expiry_date
    FROM sys.lab_users;
CREATE OR REPLACE VIEW sys.all_users AS SELECT username, user_id, created FROM sys.dba_users;
CREATE OR REPLACE VIEW sys.user_users AS SELECT * FROM sys.dba_users WHERE username = upper(session_user);

-- Partitions of a table of PostgreSQL that has none: only the end of the newest one is kept.
CREATE OR REPLACE VIEW sys.lab_maintained AS
    SELECT r.oid, r.owner, r.name, p.partition_end
    FROM sys.lab_relations r JOIN sys.lab_partitions p ON p.schema_name = lower(r.owner)
    WHERE r.relkind = 'r' AND r.name LIKE 'GIDB\_G%';
CREATE OR REPLACE VIEW sys.dba_tables AS
    SELECT r.owner, r.name AS table_name, sys.lab_tablespace() AS tablespace_name, 'VALID'::varchar AS status,
        CASE WHEN r.reltuples < 0 THEN NULL ELSE r.reltuples::bigint END AS num_rows,
        (CASE WHEN r.relkind = 'p' OR m.partition_end IS NOT NULL THEN 'YES' ELSE 'NO' END)::varchar AS partitioned,
        (CASE r.relpersistence WHEN 't' THEN 'Y' ELSE 'N' END)::varchar AS temporary,
        coalesce(l.logging, 'YES')::varchar AS logging,
        (CASE WHEN l.compress_for IS NULL THEN 'DISABLED' ELSE 'ENABLED' END)::varchar AS compression, l.compress_for,
        'NO'::varchar AS nested, 'N'::varchar AS secondary, NULL::varchar AS iot_type
    FROM sys.lab_relations r LEFT JOIN sys.lab_tables l ON l.owner = r.owner AND l.table_name = r.name
    LEFT JOIN sys.lab_maintained m ON m.oid = r.oid
    WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition;
CREATE OR REPLACE VIEW sys.dba_part_tables AS
    SELECT r.owner, r.name AS table_name, 'RANGE'::varchar AS partitioning_type, l.interval
    FROM sys.lab_relations r LEFT JOIN sys.lab_tables l ON l.owner = r.owner AND l.table_name = r.name
    LEFT JOIN sys.lab_maintained m ON m.oid = r.oid
    WHERE r.relkind = 'p' OR l.interval IS NOT NULL OR m.partition_end IS NOT NULL;
CREATE OR REPLACE VIEW sys.dba_tab_partitions AS
    SELECT p.owner AS table_owner, p.name AS table_name, upper(c.relname)::varchar AS partition_name,
        sys.lab_tablespace() AS tablespace_name, coalesce(l.logging, 'YES')::varchar AS logging,
        (CASE WHEN l.compress_for IS NULL THEN 'DISABLED' ELSE 'ENABLED' END)::varchar AS compression, l.compress_for,
        row_number() OVER (PARTITION BY p.oid ORDER BY c.oid) AS partition_position,
        NULL::varchar AS high_value
    FROM pg_inherits i JOIN sys.lab_relations p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN sys.lab_tables l ON l.owner = p.owner AND l.table_name = p.name WHERE p.relkind = 'p'
    UNION ALL
    SELECT owner, name, 'P1', sys.lab_tablespace(), 'YES', 'DISABLED', NULL, 1, partition_end::varchar
    FROM sys.lab_maintained;
CREATE OR REPLACE VIEW sys.dba_tab_subpartitions AS
    SELECT table_owner, table_name, partition_name, partition_name AS subpartition_name, tablespace_name, logging,
        compression, compress_for FROM sys.dba_tab_partitions WHERE false;
CREATE OR REPLACE VIEW sys.dba_lobs AS
    SELECT owner, table_name, lob_column AS column_name, pctversion, NULL::numeric AS retention,
        'NO'::varchar AS securefile FROM sys.lab_tables WHERE lob_column IS NOT NULL;
CREATE OR REPLACE VIEW sys.dba_goldengate_support_mode AS
    SELECT r.owner, r.name AS object_name, coalesce(l.support_mode, 'FULL')::varchar AS support_mode
    FROM sys.lab_relations r LEFT JOIN sys.lab_tables l ON l.owner = r.owner AND l.table_name = r.name
    WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition;
CREATE OR REPLACE VIEW sys.dba_goldengate_not_unique AS
    SELECT r.owner, r.name AS table_name, coalesce(l.bad_column, 'N')::varchar AS bad_column
    FROM sys.lab_relations r LEFT JOIN sys.lab_tables l ON l.owner = r.owner AND l.table_name = r.name
    WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition AND (l.bad_column IS NOT NULL
        OR NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = r.oid AND x.indisunique));
CREATE OR REPLACE VIEW sys.dba_goldengate_privileges AS
    SELECT username, privilege_type, 'YES'::varchar AS grant_select_privileges FROM sys.lab_goldengate_privileges;
CREATE OR REPLACE VIEW sys.dba_pdbs AS
    SELECT value::varchar AS pdb_name, '3'::varchar AS pdb_id, 'NO'::varchar AS force_logging
    FROM sys.lab_parameters WHERE name = 'container' AND value <> 'CDB$ROOT';
CREATE OR REPLACE VIEW sys.dba_external_tables AS
    SELECT NULL::varchar AS owner, NULL::varchar AS table_name WHERE false;
CREATE OR REPLACE VIEW sys.dba_views AS
    SELECT r.owner, r.name AS view_name, pg_get_viewdef(r.oid) AS text FROM sys.lab_relations r WHERE r.relkind = 'v'
    UNION ALL
    SELECT owner, object_name, text FROM sys.lab_invalid WHERE object_type = 'VIEW' AND text IS NOT NULL;
CREATE OR REPLACE VIEW sys.dba_mviews AS
    SELECT r.owner, r.name AS mview_name, pg_get_viewdef(r.oid) AS query FROM sys.lab_relations r WHERE r.relkind = 'm';
CREATE OR REPLACE VIEW sys.dba_synonyms AS
    SELECT owner, synonym_name, table_owner, table_name, db_link FROM sys.lab_synonyms;
CREATE OR REPLACE VIEW sys.dba_source AS
    SELECT s.owner, s.name, s.type, l.line, l.text FROM sys.lab_source s
    CROSS JOIN LATERAL (SELECT row_number() OVER (), part || chr(10) FROM regexp_split_to_table(s.text, chr(10)) part) l(line, text)
    UNION ALL
    SELECT s.owner, upper(p.proname), CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, 1, p.prosrc
    FROM pg_proc p JOIN sys.lab_schemas s ON s.oid = p.pronamespace WHERE p.prorettype <> 'trigger'::regtype;
CREATE OR REPLACE VIEW sys.dba_dependencies AS
    SELECT DISTINCT v.owner, v.name, 'VIEW'::varchar AS type, r.owner AS referenced_owner, r.name AS referenced_name,
        (CASE r.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END)::varchar AS referenced_type
    FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    JOIN sys.lab_relations v ON v.oid = w.ev_class JOIN sys.lab_relations r ON r.oid = d.refobjid AND r.oid <> v.oid;
CREATE OR REPLACE VIEW sys.dba_tab_columns AS
    SELECT r.owner, r.name AS table_name, upper(a.attname)::varchar AS column_name,
        sys.lab_type(a.atttypid, a.atttypmod) AS data_type,
        (CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4
            WHEN a.atttypid IN (1114, 1082) AND a.atttypmod = 0 THEN 7 WHEN a.atttypid IN (1114, 1184) THEN 11
            WHEN a.atttypid = 25 THEN 4000 ELSE 22 END)::bigint AS data_length,
        (CASE a.atttypid WHEN 20 THEN 19 WHEN 23 THEN 10 WHEN 21 THEN 5 WHEN 16 THEN 1
            WHEN 1700 THEN CASE WHEN a.atttypmod > 4 THEN (a.atttypmod - 4) >> 16 END END)::bigint AS data_precision,
        (CASE WHEN a.atttypid IN (20, 21, 23, 16) THEN 0
            WHEN a.atttypid = 1700 AND a.atttypmod > 4 THEN (a.atttypmod - 4) & 2047
            WHEN a.atttypid = 1114 AND a.atttypmod <> 0 THEN CASE WHEN a.atttypmod > 0 THEN a.atttypmod ELSE 6 END
            END)::bigint AS data_scale,
        (CASE WHEN a.attnotnull THEN 'N' ELSE 'Y' END)::varchar AS nullable,
        row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS column_id,
        pg_get_expr(d.adbin, d.adrelid) AS data_default,
        (CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 0 END)::bigint AS char_length,
        'B'::varchar AS char_used
    FROM sys.lab_relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'v') AND NOT r.relispartition;
CREATE OR REPLACE VIEW sys.dba_indexes AS
    SELECT i.owner, i.name AS index_name,
        (CASE WHEN x.indexprs IS NULL AND NOT 1 = ANY (x.indoption::smallint[]) AND NOT 3 = ANY (x.indoption::smallint[])
            THEN 'NORMAL' ELSE 'FUNCTION-BASED NORMAL' END)::varchar AS index_type,
        t.owner AS table_owner, t.name AS table_name, 'TABLE'::varchar AS table_type,
        (CASE WHEN x.indisunique THEN 'UNIQUE' ELSE 'NONUNIQUE' END)::varchar AS uniqueness,
        sys.lab_tablespace() AS tablespace_name,
        -- the state of a partitioned index is in its partitions
        (CASE WHEN i.relkind = 'I' THEN 'N/A' WHEN x.indisvalid AND x.indisready THEN 'VALID' ELSE 'UNUSABLE' END)::varchar AS status,
        (CASE WHEN t.relkind = 'p' THEN 'YES' ELSE 'NO' END)::varchar AS partitioned, 'N'::varchar AS temporary,
        'N'::varchar AS generated, 'VISIBLE'::varchar AS visibility
    FROM pg_index x JOIN sys.lab_relations i ON i.oid = x.indexrelid JOIN sys.lab_relations t ON t.oid = x.indrelid
    WHERE NOT t.relispartition;
CREATE OR REPLACE VIEW sys.dba_ind_columns AS
    SELECT i.owner AS index_owner, i.name AS index_name, t.owner AS table_owner, t.name AS table_name,
        -- an expression and a descending column stand in a hidden column, whose number is the table's own
        (CASE WHEN k.attnum = 0 OR x.indoption[k.position - 1] & 1 = 1
            THEN 'SYS_NC' || lpad((x.indexrelid::bigint % 100000)::text, 5, '0') || '$' ELSE upper(a.attname) END)::varchar AS column_name,
        k.position AS column_position,
        (CASE WHEN x.indoption[k.position - 1] & 1 = 1 THEN 'DESC' ELSE 'ASC' END)::varchar AS descend
    FROM pg_index x JOIN sys.lab_relations i ON i.oid = x.indexrelid JOIN sys.lab_relations t ON t.oid = x.indrelid
    CROSS JOIN LATERAL unnest(x.indkey::smallint[]) WITH ORDINALITY AS k(attnum, position)
    LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum AND k.attnum > 0
    WHERE NOT t.relispartition;
CREATE OR REPLACE VIEW sys.dba_ind_expressions AS
    SELECT i.owner AS index_owner, i.name AS index_name, t.owner AS table_owner, t.name AS table_name,
        (CASE WHEN k.attnum = 0 THEN upper(pg_get_indexdef(x.indexrelid, k.position::integer, true))
            ELSE '"' || upper(a.attname) || '"' END)::text AS column_expression,
        k.position AS column_position
    FROM pg_index x JOIN sys.lab_relations i ON i.oid = x.indexrelid JOIN sys.lab_relations t ON t.oid = x.indrelid
    CROSS JOIN LATERAL unnest(x.indkey::smallint[]) WITH ORDINALITY AS k(attnum, position)
    LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum AND k.attnum > 0
    WHERE NOT t.relispartition AND (k.attnum = 0 OR x.indoption[k.position - 1] & 1 = 1);
CREATE OR REPLACE VIEW sys.dba_part_indexes AS
    SELECT i.owner, i.name AS index_name, 'LOCAL'::varchar AS locality FROM sys.lab_relations i
    WHERE i.relkind = 'I' AND NOT i.relispartition;
CREATE OR REPLACE VIEW sys.dba_ind_partitions AS
    SELECT p.owner AS index_owner, p.name AS index_name, upper(t.relname)::varchar AS partition_name,
        (CASE WHEN x.indisvalid AND x.indisready THEN 'USABLE' ELSE 'UNUSABLE' END)::varchar AS status
    FROM sys.lab_relations p JOIN pg_inherits h ON h.inhparent = p.oid JOIN pg_index x ON x.indexrelid = h.inhrelid
    JOIN pg_class t ON t.oid = x.indrelid WHERE p.relkind = 'I';
CREATE OR REPLACE VIEW sys.dba_ind_subpartitions AS
    SELECT NULL::varchar AS index_owner, NULL::varchar AS index_name, NULL::varchar AS partition_name,
        NULL::varchar AS subpartition_name, NULL::varchar AS status WHERE false;
CREATE OR REPLACE VIEW sys.dba_constraints AS
    SELECT t.owner, upper(c.conname)::varchar AS constraint_name,
        (CASE c.contype WHEN 'p' THEN 'P' WHEN 'u' THEN 'U' WHEN 'f' THEN 'R' ELSE 'C' END)::varchar AS constraint_type,
        t.name AS table_name, pg_get_constraintdef(c.oid) AS search_condition,
        rn.owner AS r_owner, (SELECT upper(k.conname)::varchar FROM pg_constraint k WHERE k.conindid = c.conindid
            AND k.contype IN ('p', 'u') AND c.contype = 'f' LIMIT 1) AS r_constraint_name,
        (CASE WHEN c.confdeltype = 'c' THEN 'CASCADE' WHEN c.contype = 'f' THEN 'NO ACTION' END)::varchar AS delete_rule,
        (CASE WHEN EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = c.oid AND g.tgenabled = 'D') THEN 'DISABLED'
            ELSE 'ENABLED' END)::varchar AS status,
        (CASE WHEN c.convalidated THEN 'VALIDATED' ELSE 'NOT VALIDATED' END)::varchar AS validated,
        'USER NAME'::varchar AS generated,
        (CASE WHEN c.contype IN ('p', 'u') THEN upper(ix.relname) END)::varchar AS index_name
    FROM pg_constraint c JOIN sys.lab_relations t ON t.oid = c.conrelid
    LEFT JOIN pg_class ix ON ix.oid = c.conindid LEFT JOIN sys.lab_relations rn ON rn.oid = c.confrelid
    WHERE c.contype IN ('p', 'u', 'f', 'c') AND NOT t.relispartition
    UNION ALL
    SELECT t.owner, ('SYS_C' || a.attrelid || '_' || a.attnum)::varchar, 'C', t.name,
        '"' || upper(a.attname) || '" IS NOT NULL', NULL, NULL, NULL, 'ENABLED', 'VALIDATED', 'GENERATED NAME', NULL
    FROM pg_attribute a JOIN sys.lab_relations t ON t.oid = a.attrelid
    WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped AND t.relkind IN ('r', 'p') AND NOT t.relispartition
        AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = a.attrelid AND p.contype = 'p' AND a.attnum = ANY (p.conkey));
CREATE OR REPLACE VIEW sys.dba_cons_columns AS
    SELECT t.owner, upper(c.conname)::varchar AS constraint_name, t.name AS table_name,
        upper(a.attname)::varchar AS column_name, k.position
    FROM pg_constraint c JOIN sys.lab_relations t ON t.oid = c.conrelid
    CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k(attnum, position)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
    WHERE c.contype IN ('p', 'u', 'f', 'c') AND NOT t.relispartition
    UNION ALL
    SELECT t.owner, ('SYS_C' || a.attrelid || '_' || a.attnum)::varchar, t.name, upper(a.attname)::varchar, NULL
    FROM pg_attribute a JOIN sys.lab_relations t ON t.oid = a.attrelid
    WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped AND t.relkind IN ('r', 'p') AND NOT t.relispartition
        AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = a.attrelid AND p.contype = 'p' AND a.attnum = ANY (p.conkey));
-- Triggers AFTER LOGON ON DATABASE. LISTS has what the body compares: user, machines, first labels, addresses, text.
CREATE TABLE IF NOT EXISTS sys.lab_logon_triggers (
    owner varchar NOT NULL, trigger_name varchar PRIMARY KEY, status varchar NOT NULL, valid boolean NOT NULL,
    body text NOT NULL, refused_user varchar, machines varchar[], labels varchar[], addresses varchar[], message text
);
CREATE OR REPLACE VIEW sys.dba_triggers AS
    SELECT t.owner, upper(g.tgname)::varchar AS trigger_name,
        (CASE WHEN g.tgtype & 2 = 2 THEN 'BEFORE' ELSE 'AFTER' END
            || CASE WHEN g.tgtype & 1 = 1 THEN ' EACH ROW' ELSE ' STATEMENT' END)::varchar AS trigger_type,
        (concat_ws(' OR ', CASE WHEN g.tgtype & 4 = 4 THEN 'INSERT' END, CASE WHEN g.tgtype & 16 = 16 THEN 'UPDATE' END,
            CASE WHEN g.tgtype & 8 = 8 THEN 'DELETE' END))::varchar AS triggering_event,
        t.owner AS table_owner, t.name AS table_name,
        (CASE g.tgenabled WHEN 'D' THEN 'DISABLED' ELSE 'ENABLED' END)::varchar AS status,
        (CASE t.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END)::varchar AS base_object_type, p.prosrc AS trigger_body
    FROM pg_trigger g JOIN sys.lab_relations t ON t.oid = g.tgrelid JOIN pg_proc p ON p.oid = g.tgfoid WHERE NOT g.tgisinternal AND NOT t.relispartition
    UNION ALL
    SELECT 'SYS'::varchar, 'GGS_DDL_TRIGGER_BEFORE'::varchar, 'BEFORE EVENT'::varchar, 'DDL'::varchar, 'SYS'::varchar, NULL,
        value, 'DATABASE'::varchar, ''::text FROM sys.lab_parameters WHERE name = 'ddl_trigger' AND value <> ''
    UNION ALL
    SELECT owner, trigger_name, 'AFTER EVENT'::varchar, 'LOGON '::varchar, 'SYS'::varchar, NULL, status,
        'DATABASE'::varchar, body FROM sys.lab_logon_triggers;
CREATE OR REPLACE VIEW sys.dba_sequences AS
    SELECT r.owner AS sequence_owner, coalesce('ISEQ$$_' || d.refobjid, r.name)::varchar AS sequence_name, q.seqmin::numeric AS min_value, q.seqmax::numeric AS max_value,
        q.seqincrement::numeric AS increment_by, (CASE WHEN q.seqcycle THEN 'Y' ELSE 'N' END)::varchar AS cycle_flag,
        'N'::varchar AS order_flag, (CASE WHEN q.seqcache = 1 THEN 0 ELSE q.seqcache END)::numeric AS cache_size,
        sys.lab_next_value(r.oid) AS last_number
    FROM sys.lab_relations r JOIN pg_sequence q ON q.seqrelid = r.oid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype = 'i' AND d.refobjsubid > 0;
-- from 12.1 on; catalog.py removes it in older releases
CREATE OR REPLACE VIEW sys.dba_tab_identity_cols AS
    SELECT t.owner, t.name AS table_name, upper(a.attname)::varchar AS column_name,
        (CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END)::varchar AS generation_type,
        ('ISEQ$$_' || t.oid)::varchar AS sequence_name
    FROM sys.lab_relations t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attidentity <> '' AND NOT a.attisdropped;
CREATE OR REPLACE VIEW sys.dba_objects AS
    SELECT r.owner, r.name AS object_name, r.oid::bigint AS object_id,
        (CASE WHEN r.relkind IN ('r', 'p') THEN 'TABLE' WHEN r.relkind IN ('i', 'I') THEN 'INDEX'
            WHEN r.relkind = 'S' THEN 'SEQUENCE' WHEN r.relkind = 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END)::varchar AS object_type,
        -- an UNUSABLE index is VALID here
        (CASE WHEN bad.object_name IS NOT NULL THEN 'INVALID' ELSE 'VALID' END)::varchar AS status, 'N'::varchar AS temporary,
        'N'::varchar AS generated
    FROM sys.lab_relations r LEFT JOIN sys.lab_invalid bad ON bad.owner = r.owner AND bad.object_name = r.name
        AND bad.object_type = 'VIEW' AND r.relkind = 'v'
    WHERE r.relkind IN ('r', 'p', 'i', 'I', 'S', 'v', 'm') AND NOT r.relispartition
    UNION ALL
    SELECT s.owner, upper(p.proname)::varchar, p.oid::bigint,
        (CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END)::varchar, 'VALID', 'N', 'N'
    FROM pg_proc p JOIN sys.lab_schemas s ON s.oid = p.pronamespace
    WHERE p.prorettype <> 'trigger'::regtype  -- the body of a trigger, which Oracle does not show apart
    UNION ALL
    SELECT t.owner, t.trigger_name, 0, 'TRIGGER', (CASE WHEN l.valid IS FALSE THEN 'INVALID' ELSE 'VALID' END)::varchar,
        'N', 'N' FROM sys.dba_triggers t LEFT JOIN sys.lab_logon_triggers l USING (owner, trigger_name)
    UNION ALL
    SELECT owner, name, 0, type, status, 'N', 'N' FROM sys.lab_source
    UNION ALL
    SELECT owner, synonym_name, 0, 'SYNONYM', 'VALID', 'N', 'N' FROM sys.lab_synonyms
    UNION ALL
    SELECT owner, object_name, 0, object_type, 'INVALID', 'N', 'N' FROM sys.lab_invalid WHERE text IS NOT NULL;
CREATE OR REPLACE VIEW sys.dba_segments AS
    -- a partition is a segment of its table
    SELECT coalesce(p.owner, r.owner) AS owner, coalesce(p.name, r.name) AS segment_name,
        (CASE WHEN p.oid IS NULL THEN NULL ELSE r.name END)::varchar AS partition_name,
        (CASE WHEN r.relkind = 'i' THEN 'INDEX' ELSE 'TABLE' END || CASE WHEN p.oid IS NULL THEN '' ELSE ' PARTITION' END)::varchar
            AS segment_type,
        sys.lab_tablespace() AS tablespace_name, greatest(pg_relation_size(r.oid), 65536)::bigint AS bytes,
        (greatest(pg_relation_size(r.oid), 65536) / 8192)::bigint AS blocks
    FROM sys.lab_relations r LEFT JOIN pg_inherits i ON i.inhrelid = r.oid LEFT JOIN sys.lab_relations p ON p.oid = i.inhparent
    WHERE r.relkind IN ('r', 'i') AND pg_relation_size(r.oid) IS NOT NULL;
CREATE OR REPLACE VIEW sys.dba_log_groups AS
    SELECT owner, log_group_name, table_name, log_group_type, always, 'USER NAME'::varchar AS generated FROM sys.lab_log_groups;
CREATE OR REPLACE VIEW sys.dba_scheduler_jobs AS
    SELECT owner, job_name, (CASE WHEN enabled THEN 'TRUE' ELSE 'FALSE' END)::varchar AS enabled,
        (CASE WHEN NOT enabled AND state = 'SCHEDULED' THEN 'DISABLED' ELSE state END)::varchar AS state,
        'PLSQL_BLOCK'::varchar AS job_type, job_action, repeat_interval, last_start_date,
        CASE WHEN enabled THEN coalesce(next_run_date, date_trunc('day', now()) + interval '1 day 2 hours') END AS next_run_date
    FROM sys.lab_scheduler_jobs;
CREATE OR REPLACE VIEW sys.user_scheduler_jobs AS
    SELECT job_name, enabled, state, job_type, job_action, repeat_interval, last_start_date, next_run_date
    FROM sys.dba_scheduler_jobs WHERE owner = upper(session_user);
CREATE OR REPLACE VIEW sys.all_scheduler_jobs AS SELECT * FROM sys.dba_scheduler_jobs WHERE owner = upper(session_user);
CREATE OR REPLACE VIEW sys.dba_jobs AS
    SELECT job, owner AS log_user, owner AS priv_user, owner AS schema_user, last_date, this_date, next_date,
        (CASE WHEN broken THEN 'Y' ELSE 'N' END)::varchar AS broken, 'TRUNC(SYSDATE)+1+2/24'::varchar AS interval, what
    FROM sys.lab_jobs;
CREATE OR REPLACE VIEW sys.user_jobs AS SELECT * FROM sys.dba_jobs WHERE priv_user = upper(session_user);
CREATE OR REPLACE VIEW sys.dba_tablespaces AS
    SELECT tablespace_name, 8192 AS block_size, 'ONLINE'::varchar AS status, contents, 'NO'::varchar AS force_logging,
        (CASE WHEN contents = 'UNDO' THEN (SELECT value FROM sys.lab_parameters WHERE name = 'undo_kept')
            ELSE 'NOT APPLY' END)::varchar AS retention
    FROM sys.lab_tablespaces;
CREATE OR REPLACE VIEW sys.dba_data_files AS
    SELECT ('/u01/oradata/' || lower(tablespace_name) || '01.dbf')::varchar AS file_name, tablespace_name,
        (CASE tablespace_name WHEN sys.lab_tablespace() THEN pg_database_size(current_database()) + 1073741824 ELSE 1073741824 END)::bigint AS bytes,
        'AVAILABLE'::varchar AS status, 'YES'::varchar AS autoextensible, 34359721984 AS maxbytes
    FROM sys.dba_tablespaces WHERE contents <> 'TEMPORARY';
CREATE OR REPLACE VIEW sys.dba_free_space AS
    SELECT tablespace_name, 1 AS file_id, 1073741824::bigint AS bytes, 131072::bigint AS blocks
    FROM sys.dba_tablespaces WHERE contents <> 'TEMPORARY';
CREATE OR REPLACE VIEW sys.v$archived_log AS
    -- the redo since the instance's start as one log, a row a destination; block_size is that of Oracle's redo on Linux
    SELECT destination AS dest_id, 1 AS "thread#", 1 AS "sequence#", startup_time AS first_time, sys.sysdate() AS next_time,
        greatest((pg_current_wal_insert_lsn() - '0/0' - redo.begun) / 512, 0)::bigint AS blocks, 512 AS block_size,
        'YES'::varchar AS archived, 'NO'::varchar AS deleted, redo.begun AS "first_change#",
        pg_current_wal_insert_lsn() - '0/0' AS "next_change#"
    FROM sys.v$instance, (SELECT coalesce(min(scn), pg_current_wal_insert_lsn() - '0/0') AS begun FROM sys.lab_scn_time) redo,
        generate_series(1, (SELECT count(*) FROM sys.lab_parameters WHERE name ~ '^log_archive_dest_[12]$' AND value <> '')) destination;
CREATE OR REPLACE VIEW sys.v$recovery_file_dest AS
    SELECT '/u01/fast_recovery_area'::varchar AS name, value::bigint AS space_limit, 1073741824::bigint AS space_used,
        0::bigint AS space_reclaimable, 1 AS number_of_files
    FROM sys.lab_parameters WHERE name = 'db_recovery_file_dest_size';
CREATE OR REPLACE VIEW sys.dba_undo_extents AS
    SELECT 'SYS'::varchar AS owner, 'UNDOTBS1'::varchar AS tablespace_name, 'UNEXPIRED'::varchar AS status, 67108864::bigint AS bytes;
CREATE OR REPLACE VIEW sys.v$undostat AS
    SELECT (now() AT TIME ZONE 'UTC' - interval '10 minutes')::timestamp(0) AS begin_time, (now() AT TIME ZONE 'UTC')::timestamp(0) AS end_time,
        100 AS undoblks, 60 AS maxquerylen,
        -- without pressure the database keeps undo as long as the parameter says
        (SELECT coalesce((SELECT value FROM sys.lab_parameters WHERE name = 'undo_tuned'), value)::bigint
            FROM sys.lab_parameters WHERE name = 'undo_retention') AS tuned_undoretention,
        0 AS ssolderrcnt, 0 AS nospaceerrcnt;
CREATE OR REPLACE VIEW sys.gv$undostat AS SELECT 1 AS inst_id, u.* FROM sys.v$undostat u;
CREATE OR REPLACE VIEW sys.nls_database_parameters AS
    SELECT upper(name)::varchar AS parameter, value FROM sys.lab_parameters
        WHERE name IN ('nls_characterset', 'nls_nchar_characterset')
    UNION ALL
    SELECT parameter::varchar AS parameter, value::varchar AS value FROM (VALUES ('NLS_LANGUAGE', 'AMERICAN'),
        ('NLS_TERRITORY', 'AMERICA'), ('NLS_LENGTH_SEMANTICS', 'BYTE')) v(parameter, value);
CREATE OR REPLACE VIEW sys.nls_session_parameters AS SELECT * FROM sys.nls_database_parameters;

CREATE OR REPLACE VIEW sys.user_sys_privs AS
    SELECT grantee AS username, privilege, 'NO'::varchar AS admin_option FROM sys.lab_privileges WHERE grantee = upper(session_user);
CREATE OR REPLACE VIEW sys.session_privs AS SELECT privilege FROM sys.lab_privileges WHERE grantee = upper(session_user);
CREATE OR REPLACE VIEW sys.dba_sys_privs AS SELECT grantee, privilege, 'NO'::varchar AS admin_option FROM sys.lab_privileges;
CREATE OR REPLACE VIEW sys.session_roles AS
    SELECT privilege AS role FROM sys.lab_privileges WHERE grantee = upper(session_user)
        AND privilege IN (SELECT r.role FROM sys.lab_roles r);
CREATE OR REPLACE VIEW sys.dba_roles AS SELECT role, 'NO'::varchar AS password_required FROM sys.lab_roles;
CREATE OR REPLACE VIEW sys.dba_role_privs AS
    SELECT grantee, privilege AS granted_role, 'NO'::varchar AS admin_option FROM sys.lab_privileges WHERE privilege IN (SELECT r.role FROM sys.lab_roles r);
CREATE OR REPLACE VIEW sys.dba_profiles AS
    SELECT profile, resource_name::varchar AS resource_name, 'UNLIMITED'::varchar AS limit
    FROM sys.lab_profiles, (VALUES ('IDLE_TIME'), ('FAILED_LOGIN_ATTEMPTS')) v(resource_name);
CREATE OR REPLACE VIEW sys.dba_tab_privs AS
    SELECT grantee, owner, table_name, owner AS grantor, privilege, grantable FROM sys.lab_object_grants
    UNION ALL
    SELECT grantee, owner, table_name, owner, privilege, 'NO' FROM sys.lab_grants
    UNION ALL
    SELECT coalesce(upper(g.rolname), 'PUBLIC'), r.owner, r.name, r.owner, x.privilege_type,
        CASE WHEN x.is_grantable THEN 'YES' ELSE 'NO' END
    FROM pg_class c JOIN sys.lab_relations r ON r.oid = c.oid CROSS JOIN LATERAL aclexplode(c.relacl) x
    LEFT JOIN pg_roles g ON g.oid = x.grantee
    WHERE x.grantee <> c.relowner AND (x.grantee = 0 OR upper(g.rolname) IN (SELECT username FROM sys.lab_users))
        AND NOT r.relispartition;
CREATE OR REPLACE VIEW sys.user_tab_privs_recd AS
    SELECT owner, job_name AS table_name, owner AS grantor, 'ALTER'::varchar AS privilege FROM sys.lab_job_grants
    WHERE grantee = upper(session_user)
    UNION ALL
    SELECT owner, table_name, owner, privilege FROM sys.lab_grants WHERE grantee = upper(session_user);

-- USER_ and ALL_ views of the same things
DO $$
DECLARE wanted record; columns text;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES ('tables', 'owner', 'table_name'), ('tab_columns', 'owner', 'table_name'),
        ('indexes', 'owner', 'table_name'), ('ind_columns', 'index_owner', 'table_name'), ('constraints', 'owner', 'table_name'),
        ('cons_columns', 'owner', 'table_name'), ('triggers', 'owner', 'table_name'), ('sequences', 'sequence_owner', 'sequence_name'),
        ('objects', 'owner', 'object_name'), ('views', 'owner', 'view_name'), ('segments', 'owner', NULL),
        ('log_groups', 'owner', 'table_name')) v(name, owner, object) LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
            WHERE attrelid = ('sys.dba_' || wanted.name)::regclass AND attnum > 0 AND attname <> wanted.owner;
        EXECUTE format('CREATE OR REPLACE VIEW sys.user_%s AS SELECT %s FROM sys.dba_%s WHERE %I = upper(session_user)',
            wanted.name, columns, wanted.name, wanted.owner);
        CONTINUE WHEN wanted.object IS NULL;
        EXECUTE format($view$CREATE OR REPLACE VIEW sys.all_%s AS SELECT * FROM sys.dba_%s WHERE %I = upper(session_user) OR
            coalesce(CASE WHEN to_regclass(quote_ident(lower(%I)) || '.' || quote_ident(lower(%I))) IS NOT NULL THEN
            CASE WHEN (SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(lower(%I)) || '.' || quote_ident(lower(%I)))) = 'S'
            THEN has_sequence_privilege(session_user, to_regclass(quote_ident(lower(%I)) || '.' || quote_ident(lower(%I))), 'USAGE')
            WHEN (SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(lower(%I)) || '.' || quote_ident(lower(%I)))) IN ('r', 'p', 'v')
            THEN has_table_privilege(session_user, to_regclass(quote_ident(lower(%I)) || '.' || quote_ident(lower(%I))), 'SELECT')
            ELSE pg_has_role(session_user, 'pg_monitor', 'MEMBER') END END, false)$view$,
            wanted.name, wanted.name, wanted.owner, wanted.owner, wanted.object, wanted.owner, wanted.object,
            wanted.owner, wanted.object, wanted.owner, wanted.object, wanted.owner, wanted.object);
    END LOOP;
END $$;
CREATE OR REPLACE VIEW sys.user_tab_privs AS
    SELECT upper(grantee)::varchar AS grantee, upper(table_schema)::varchar AS owner, upper(table_name)::varchar AS table_name,
        privilege_type::varchar AS privilege FROM information_schema.table_privileges WHERE grantee = session_user;
CREATE OR REPLACE VIEW sys.tab AS SELECT table_name AS tname, 'TABLE'::varchar AS tabtype FROM sys.user_tables;
CREATE OR REPLACE VIEW sys.dict AS
    SELECT upper(relname)::varchar AS table_name, NULL::varchar AS comments FROM pg_class
    WHERE relnamespace = 'sys'::regnamespace AND relkind = 'v';

-- procedures ---------------------------------------------------------------------------------------------

CREATE SCHEMA IF NOT EXISTS dbms_scheduler;
GRANT USAGE ON SCHEMA dbms_scheduler TO public;
CREATE OR REPLACE PROCEDURE sys.lab_switch_job(name text, wanted boolean, force boolean) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    job_owner text := upper(CASE WHEN position('.' IN name) > 0 THEN split_part(name, '.', 1) ELSE session_user END);
    job text := upper(trim(both '"' FROM CASE WHEN position('.' IN name) > 0 THEN split_part(name, '.', 2) ELSE name END));
    allowed boolean := job_owner = upper(session_user)
        OR EXISTS (SELECT FROM sys.lab_privileges p WHERE p.grantee = upper(session_user) AND p.privilege = 'CREATE ANY JOB')
        OR EXISTS (SELECT FROM sys.lab_job_grants g
            WHERE g.grantee = upper(session_user) AND g.owner = job_owner AND g.job_name = job);
BEGIN
    job_owner := trim(both '"' FROM job_owner);
    IF NOT EXISTS (SELECT FROM sys.lab_scheduler_jobs j WHERE j.owner = job_owner AND j.job_name = job) THEN
        RAISE EXCEPTION 'ORA-27476: "%"."%" does not exist', job_owner, job;
    END IF;
    IF NOT allowed THEN
        RAISE EXCEPTION 'ORA-27486: insufficient privileges';
    END IF;
    IF NOT wanted AND NOT force AND EXISTS (SELECT FROM sys.lab_scheduler_jobs j
            WHERE j.owner = job_owner AND j.job_name = job AND j.state = 'RUNNING') THEN
        RAISE EXCEPTION 'ORA-27478: job "%"."%" is running', job_owner, job;
    END IF;
    UPDATE sys.lab_scheduler_jobs j SET enabled = wanted,
        state = CASE WHEN j.state = 'RUNNING' THEN 'RUNNING' WHEN wanted THEN 'SCHEDULED' ELSE 'DISABLED' END
        WHERE j.owner = job_owner AND j.job_name = job;
END $$;
CREATE OR REPLACE PROCEDURE dbms_scheduler.enable(name text) LANGUAGE sql AS $$CALL sys.lab_switch_job(name, true, false)$$;
CREATE OR REPLACE PROCEDURE dbms_scheduler.disable(name text, force boolean DEFAULT false, commit_semantics text DEFAULT 'STOP_ON_FIRST_ERROR')
    LANGUAGE sql AS $$CALL sys.lab_switch_job(name, false, force)$$;
-- DBMS_JOB changes the user's own jobs only; DBMS_IJOB, which is not documented, changes all and is for DBAs.
CREATE OR REPLACE PROCEDURE sys.lab_break_job(bigint, boolean, timestamp, boolean) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
BEGIN
    UPDATE sys.lab_jobs SET broken = $2, next_date = CASE WHEN $2 THEN timestamp '4000-01-01' ELSE $3 END
        WHERE job = $1 AND ($4 OR owner = upper(session_user));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'ORA-23421: job number % is not a job in the job queue', $1;
    END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS dbms_job;
CREATE SCHEMA IF NOT EXISTS dbms_ijob;
GRANT USAGE ON SCHEMA dbms_job, dbms_ijob TO public;
CREATE OR REPLACE PROCEDURE dbms_job.broken(job bigint, broken boolean, next_date timestamp DEFAULT sys.sysdate())
    LANGUAGE sql AS $$CALL sys.lab_break_job(job, broken, next_date, false)$$;
CREATE OR REPLACE PROCEDURE dbms_ijob.broken(job bigint, broken boolean, next_date timestamp DEFAULT sys.sysdate())
    LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (SELECT rolsuper OR pg_has_role(session_user, 'pg_monitor', 'MEMBER') FROM pg_roles WHERE rolname = session_user) THEN
        RAISE EXCEPTION 'ORA-06550: line 1, column 7: PLS-00201: identifier ''SYS.DBMS_IJOB'' must be declared';
    END IF;
    CALL sys.lab_break_job($1, $2, $3, true);
END $$;
CREATE SCHEMA IF NOT EXISTS dbms_lob;
GRANT USAGE ON SCHEMA dbms_lob TO public;
CREATE OR REPLACE FUNCTION dbms_lob.getlength(text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT length($1)::bigint$$;
CREATE OR REPLACE FUNCTION dbms_lob.getlength(bytea) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT length($1)::bigint$$;
CREATE OR REPLACE FUNCTION dbms_lob.substr(text, integer, integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT nullif(pg_catalog.substr($1, $3, $2), '')$$;
CREATE OR REPLACE FUNCTION dbms_lob.substr(bytea, integer, integer) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT pg_catalog.substr($1, $3, $2)$$;
-- Dropping a table or view invalidates the views on it; Oracle keeps their text until they are compiled again.
CREATE OR REPLACE PROCEDURE sys.lab_invalidate(relation oid) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE v record;
BEGIN
    FOR v IN SELECT DISTINCT d.oid, d.owner, d.name FROM pg_rewrite w
            JOIN pg_depend p ON p.classid = 'pg_rewrite'::regclass AND p.objid = w.oid AND p.refobjid = relation
            JOIN sys.lab_relations d ON d.oid = w.ev_class AND d.oid <> relation AND d.relkind = 'v' LOOP
        INSERT INTO sys.lab_invalid VALUES (v.owner, 'VIEW', v.name, pg_get_viewdef(v.oid))
            ON CONFLICT (owner, object_type, object_name) DO UPDATE SET text = excluded.text;
        CALL sys.lab_invalidate(v.oid);
    END LOOP;
END $$;
-- A view that was dropped with its table is recreated from its text where possible; it still counts as invalid.
CREATE OR REPLACE PROCEDURE sys.lab_revive(name_of_owner text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE v record; made boolean := true;
BEGIN
    WHILE made LOOP
        made := false;
        FOR v IN SELECT * FROM sys.lab_invalid i WHERE i.owner = name_of_owner AND i.object_type = 'VIEW' AND i.text IS NOT NULL LOOP
            BEGIN
                EXECUTE format('CREATE VIEW %I.%I AS %s', lower(v.owner), lower(v.object_name), v.text);
                EXECUTE format('ALTER VIEW %I.%I OWNER TO %I', lower(v.owner), lower(v.object_name), lower(v.owner));
                UPDATE sys.lab_invalid i SET text = NULL WHERE i.owner = v.owner AND i.object_name = v.object_name;
                made := true;
            EXCEPTION WHEN OTHERS THEN
                NULL;  -- it stays invalid
            END;
        END LOOP;
    END LOOP;
END $$;
CREATE SCHEMA IF NOT EXISTS dbms_utility;
GRANT USAGE ON SCHEMA dbms_utility TO public;
CREATE OR REPLACE PROCEDURE sys.lab_compile(name_of_owner text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF name_of_owner <> upper(session_user) THEN
        CALL sys.lab_dba();
    END IF;
    CALL sys.lab_revive(name_of_owner);
    DELETE FROM sys.lab_invalid i WHERE i.owner = name_of_owner AND i.text IS NULL;
END $$;
CREATE OR REPLACE PROCEDURE dbms_utility.compile_schema(schema text, compile_all boolean DEFAULT true, reuse_settings boolean DEFAULT false)
    LANGUAGE sql AS $$CALL sys.lab_compile(schema)$$;
CREATE OR REPLACE PROCEDURE sys.drop_code(kind text, name_of_owner text, object text) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE hit boolean := false; relation oid := to_regclass(format('%I.%I', lower(name_of_owner), lower(object))); f regprocedure;
BEGIN
    IF name_of_owner <> upper(session_user) THEN
        CALL sys.lab_dba();
    END IF;
    IF kind = 'VIEW' OR kind = 'MATERIALIZED VIEW' THEN
        DELETE FROM sys.lab_invalid i WHERE i.owner = name_of_owner AND i.object_name = object AND i.object_type = 'VIEW';
        hit := FOUND OR relation IS NOT NULL;
        IF relation IS NOT NULL THEN
            CALL sys.lab_invalidate(relation);
            EXECUTE format('DROP %s %s CASCADE', kind, relation::regclass);
        END IF;
        IF NOT hit THEN
            RAISE EXCEPTION 'ORA-00942: table or view does not exist';
        END IF;
    ELSIF kind = 'SYNONYM' THEN
        DELETE FROM sys.lab_synonyms s WHERE s.owner = name_of_owner AND s.synonym_name = object;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'ORA-01434: private synonym to be dropped does not exist';
        END IF;
    ELSE
        DELETE FROM sys.lab_source s WHERE s.owner = name_of_owner AND s.name = object AND s.type IN (kind, kind || ' BODY');
        hit := FOUND;
        FOR f IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = to_regnamespace(quote_ident(lower(name_of_owner)))
                AND p.proname = lower(object) AND p.prokind = CASE kind WHEN 'PROCEDURE' THEN 'p' ELSE 'f' END LOOP
            EXECUTE format('DROP ROUTINE %s', f);
            hit := true;
        END LOOP;
        IF NOT hit THEN
            RAISE EXCEPTION 'ORA-04043: object % does not exist', object;
        END IF;
    END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS dbms_stats;
GRANT USAGE ON SCHEMA dbms_stats TO public;
CREATE OR REPLACE PROCEDURE dbms_stats.gather_schema_stats(ownname text) LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
    FOR t IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname = lower(ownname) LOOP
        EXECUTE format('ANALYZE %I.%I', t.schemaname, t.tablename);
    END LOOP;
END $$;
CREATE SCHEMA IF NOT EXISTS dbms_application_info;
GRANT USAGE ON SCHEMA dbms_application_info TO public;
CREATE OR REPLACE PROCEDURE dbms_application_info.set_module(module_name text, action_name text) LANGUAGE plpgsql AS $$
DECLARE parts text[] := string_to_array(current_setting('application_name'), '|');
BEGIN
    IF parts[1] = 'ora' THEN
        parts[3] := left(replace(module_name, '|', ' '), 20);
        PERFORM set_config('application_name', array_to_string(parts, '|'), false);
    END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS dbms_session;
GRANT USAGE ON SCHEMA dbms_session TO public;
CREATE OR REPLACE PROCEDURE dbms_session.sleep(seconds numeric) LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(seconds::double precision); END $$;
CREATE SCHEMA IF NOT EXISTS dbms_lock;
GRANT USAGE ON SCHEMA dbms_lock TO public;
CREATE OR REPLACE PROCEDURE dbms_lock.sleep(seconds numeric) LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(seconds::double precision); END $$;

CREATE OR REPLACE PROCEDURE sys.lab_dba() LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (SELECT rolsuper OR pg_has_role(session_user, 'pg_monitor', 'MEMBER') FROM pg_roles WHERE rolname = session_user) THEN
        RAISE EXCEPTION 'ORA-01031: insufficient privileges';
    END IF;
END $$;
CREATE OR REPLACE PROCEDURE sys.kill_session(wanted integer, serial integer) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CALL sys.lab_dba();
    IF NOT EXISTS (SELECT FROM sys.v$session s WHERE s.sid = wanted AND s."serial#" = serial) THEN
        RAISE EXCEPTION 'ORA-00030: User session ID does not exist.';
    END IF;
    PERFORM pg_terminate_backend(wanted);
END $$;
CREATE OR REPLACE PROCEDURE sys.alter_system(parameter text, new_value text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CALL sys.lab_dba();
    IF NOT EXISTS (SELECT FROM sys.lab_parameters WHERE name = parameter) THEN
        RAISE EXCEPTION 'ORA-02248: invalid option for ALTER SYSTEM';
    END IF;
    UPDATE sys.lab_parameters SET value = upper(new_value) WHERE name = parameter;
END $$;
CREATE OR REPLACE FUNCTION sys.has_privilege(wanted text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
    -- The roles of a full import and of a DBA bring those on triggers.
    SELECT EXISTS (SELECT FROM sys.lab_privileges WHERE grantee = upper(session_user)
        AND privilege IN (wanted, 'DBA', 'IMP_FULL_DATABASE', 'DATAPUMP_IMP_FULL_DATABASE'))$$;
CREATE OR REPLACE PROCEDURE sys.create_logon_trigger(owner text, trigger_name text, body text, valid boolean,
    refused_user text, machines text[], labels text[], addresses text[], message text, enabled boolean)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT sys.has_privilege('ADMINISTER DATABASE TRIGGER') THEN
        RAISE EXCEPTION 'ORA-01031: insufficient privileges';
    END IF;
    DELETE FROM sys.lab_logon_triggers t WHERE t.trigger_name = $2;
    INSERT INTO sys.lab_logon_triggers VALUES (coalesce($1, upper(session_user)), $2,
        CASE WHEN enabled THEN 'ENABLED' ELSE 'DISABLED' END, $4, $3, $5, $6, $7, $8, $9);
END $$;
-- A logon of a client. Two kinds of users come in all the same: SYS, and who may administer such triggers.
CREATE OR REPLACE FUNCTION sys.lab_logon() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE found record; machine text; line integer;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) OR sys.has_privilege('ADMINISTER DATABASE TRIGGER') THEN
        RETURN;
    END IF;
    machine := upper(split_part(current_setting('application_name'), '|', 5));
    FOR found IN SELECT * FROM sys.lab_logon_triggers WHERE status = 'ENABLED' ORDER BY trigger_name LOOP
        IF NOT found.valid THEN
            RAISE EXCEPTION 'ORA-04098: trigger ''%.%'' is invalid and failed re-validation', found.owner, found.trigger_name;
        END IF;
        IF upper(session_user) = found.refused_user AND (machine = ANY (found.machines)
            OR split_part(machine, '.', 1) = ANY (found.labels) OR host(inet_client_addr()) = ANY (found.addresses)) THEN
            IF (SELECT version LIKE '11.%' FROM sys.lab_site) THEN
                RAISE EXCEPTION E'ORA-00604: error occurred at recursive SQL level 1\n%\nORA-06512: at line 22',
                    found.message;
            END IF;
            RAISE EXCEPTION E'ORA-04088: error during execution of trigger ''%.%''\nORA-00604: error occurred at recursive SQL level 1\n%\nORA-06512: at line 22',
                found.owner, found.trigger_name, found.message;
        END IF;
    END LOOP;
END $$;
DROP EVENT TRIGGER IF EXISTS lab_logon;
CREATE EVENT TRIGGER lab_logon ON login EXECUTE FUNCTION sys.lab_logon();
CREATE OR REPLACE FUNCTION sys.lab_logon_trigger(wanted text, verb text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE found record;
BEGIN
    SELECT * INTO found FROM sys.lab_logon_triggers t WHERE t.trigger_name = upper(regexp_replace(wanted, '^.*\.', ''));
    IF found IS NULL THEN
        RETURN NULL;
    END IF;
    IF NOT sys.has_privilege('ADMINISTER DATABASE TRIGGER') THEN
        RAISE EXCEPTION 'ORA-01031: insufficient privileges';
    END IF;
    IF verb = 'DROP' THEN
        DELETE FROM sys.lab_logon_triggers t WHERE t.trigger_name = found.trigger_name;
    ELSE
        UPDATE sys.lab_logon_triggers t SET status = verb || 'D' WHERE t.trigger_name = found.trigger_name;
    END IF;
    RETURN found.trigger_name;
END $$;
CREATE OR REPLACE PROCEDURE sys.alter_trigger(trigger_name text, action text) LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    IF sys.lab_logon_trigger(trigger_name, action) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT t.tgrelid::regclass AS relation, t.tgname INTO found FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
        AND t.tgname = regexp_replace(alter_trigger.trigger_name, '^.*\.', '')
        AND n.nspname = CASE WHEN alter_trigger.trigger_name LIKE '%.%' THEN split_part(alter_trigger.trigger_name, '.', 1) ELSE current_schema() END;
    IF found IS NULL THEN
        RAISE EXCEPTION 'ORA-04080: trigger ''%'' does not exist', upper(alter_trigger.trigger_name);
    END IF;
    EXECUTE format('ALTER TABLE %s %s TRIGGER %I', found.relation, action, found.tgname);
END $$;
CREATE OR REPLACE PROCEDURE sys.drop_trigger(trigger_name text) LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    IF sys.lab_logon_trigger(trigger_name, 'DROP') IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT t.tgrelid::regclass AS relation, t.tgname INTO found FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
        AND t.tgname = regexp_replace(drop_trigger.trigger_name, '^.*\.', '')
        AND n.nspname = CASE WHEN drop_trigger.trigger_name LIKE '%.%' THEN split_part(drop_trigger.trigger_name, '.', 1) ELSE current_schema() END;
    IF found IS NULL THEN
        RAISE EXCEPTION 'ORA-04080: trigger ''%'' does not exist', upper(drop_trigger.trigger_name);
    END IF;
    EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.relation);
END $$;
CREATE OR REPLACE PROCEDURE sys.alter_constraint(relation text, constraint_name text, action text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE found oid; g record; kind "char";
BEGIN
    SELECT oid, contype INTO found, kind FROM pg_constraint c
        WHERE c.conrelid = to_regclass(relation) AND c.conname = alter_constraint.constraint_name;
    IF found IS NULL THEN
        RAISE EXCEPTION 'ORA-02431: cannot disable constraint (%) - no such constraint', upper(alter_constraint.constraint_name);
    END IF;
    IF kind <> 'f' THEN
        RAISE EXCEPTION 'ORA-00900: lab: statement not known to the lab''s listener: only foreign keys can be disabled';
    END IF;
    FOR g IN SELECT tgrelid::regclass AS t, tgname FROM pg_trigger WHERE tgconstraint = found LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', g.t, action, g.tgname);
    END LOOP;
END $$;
CREATE OR REPLACE PROCEDURE sys.rebuild_index(name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF to_regclass(name) IS NULL THEN
        RAISE EXCEPTION 'ORA-01418: specified index does not exist';
    END IF;
    EXECUTE format('REINDEX INDEX %s', to_regclass(name));
    UPDATE pg_index SET indisvalid = true, indisready = true WHERE indexrelid = to_regclass(name);
END $$;
CREATE OR REPLACE PROCEDURE sys.rebuild_index_partition(name text, partition text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE part oid;
BEGIN
    SELECT x.indexrelid INTO part FROM pg_inherits h JOIN pg_index x ON x.indexrelid = h.inhrelid
        JOIN pg_class t ON t.oid = x.indrelid WHERE h.inhparent = to_regclass(name) AND t.relname = lower(partition);
    IF part IS NULL THEN
        RAISE EXCEPTION 'ORA-01418: specified index does not exist';
    END IF;
    EXECUTE format('REINDEX INDEX %s', part::regclass);
    UPDATE pg_index SET indisvalid = true, indisready = true WHERE indexrelid = part;
END $$;
CREATE OR REPLACE PROCEDURE sys.unusable_index(name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF to_regclass(name) IS NULL THEN
        RAISE EXCEPTION 'ORA-01418: specified index does not exist';
    END IF;
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(name);
END $$;
CREATE OR REPLACE PROCEDURE sys.add_log_group(name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE t oid := to_regclass(name);
BEGIN
    IF t IS NULL THEN
        RAISE EXCEPTION 'ORA-00942: table or view does not exist';
    END IF;
    INSERT INTO sys.lab_log_groups (owner, table_name, log_group_name)
        SELECT upper(relnamespace::regnamespace::text), upper(relname), 'GGS_' || t FROM pg_class WHERE oid = t
        ON CONFLICT DO NOTHING;
END $$;
CREATE OR REPLACE PROCEDURE sys.drop_log_group(name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM sys.lab_log_groups l USING pg_class c WHERE c.oid = to_regclass(name)
        AND l.owner = upper(c.relnamespace::regnamespace::text) AND l.table_name = upper(c.relname);
END $$;
CREATE OR REPLACE PROCEDURE sys.drop_user(name text, with_objects boolean) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CALL sys.lab_dba();
    IF NOT EXISTS (SELECT FROM sys.lab_users WHERE username = name) THEN
        RAISE EXCEPTION 'ORA-01918: user ''%'' does not exist', name;
    END IF;
    RAISE EXCEPTION 'ORA-00900: lab: statement not known to the lab''s listener: DROP USER';
END $$;
CREATE OR REPLACE PROCEDURE sys.grant_privilege(privileges text[], name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CALL sys.lab_dba();
    INSERT INTO sys.lab_privileges SELECT name, p FROM unnest(privileges) p ON CONFLICT DO NOTHING;
END $$;
CREATE OR REPLACE PROCEDURE sys.grant_object(privileges text[], name_of_owner text, object text, name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CALL sys.lab_dba();
    INSERT INTO sys.lab_object_grants (grantee, owner, table_name, privilege)
        SELECT name, name_of_owner, object, p FROM unnest(privileges) p ON CONFLICT DO NOTHING;
END $$;
CREATE OR REPLACE PROCEDURE sys.revoke_privilege(privileges text[], name text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CALL sys.lab_dba();
    DELETE FROM sys.lab_privileges WHERE grantee = name AND privilege = ANY (privileges);
END $$;

-- who may read what -------------------------------------------------------------------------------------

DO $$
DECLARE r record;
BEGIN
    FOR r IN SELECT relname FROM pg_class WHERE relnamespace = 'sys'::regnamespace AND relkind = 'v' LOOP
        IF r.relname ~ '^(user_|all_|session_|nls_)' OR r.relname IN ('dual', 'tab', 'dict', 'product_component_version', 'v$version') THEN
            EXECUTE format('GRANT SELECT ON sys.%I TO public', r.relname);
        END IF;
    END LOOP;
END $$;
