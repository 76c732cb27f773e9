-- reads: dba_tablespaces
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TABLESPACES
select tablespace_name from dba_tablespaces
