-- reads: v$database
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$DATABASE
select dbid, name, db_unique_name, open_mode, database_role, log_mode from v$database
