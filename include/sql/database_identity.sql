-- reads: v$database
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$DATABASE: of the whole CDB, in each PDB; SYS_CONTEXT, USERENV parameter DB_NAME
select dbid, name, db_unique_name, open_mode, database_role, log_mode, sys_context('USERENV', 'DB_NAME') as db_name
  from v$database
