-- reads: dba_tables, dba_tab_partitions, dba_tablespaces
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TABLES.LOGGING; FORCE LOGGING of a tablespace overrides it
-- Tables and partitions whose direct-path loads write no redo that an Extract can read.
select t.table_name, null as partition_name
  from dba_tables t
  join dba_tablespaces s on s.tablespace_name = t.tablespace_name
 where t.owner = :owner
   and t.logging = 'NO'
   and t.table_name not like 'BIN$%'
   and s.force_logging = 'NO'
 union all
select p.table_name, p.partition_name
  from dba_tab_partitions p
  join dba_tablespaces s on s.tablespace_name = p.tablespace_name
 where p.table_owner = :owner
   and p.logging = 'NO'
   and p.table_name not like 'BIN$%'
   and s.force_logging = 'NO'
