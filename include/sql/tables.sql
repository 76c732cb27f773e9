-- reads: dba_tables
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TABLES
-- Objects in the recycle bin are left out.
select table_name, partitioned, temporary
  from dba_tables
 where owner = :owner
   and table_name not like 'BIN$%'
 order by table_name
