-- reads: dba_part_tables
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_PART_TABLES.INTERVAL; the database names new partitions SYS_Pn by itself
select t.table_name
  from dba_part_tables t
 where t.owner = :owner
   and t.interval is not null
   and t.table_name not like 'BIN$%'
 order by t.table_name
