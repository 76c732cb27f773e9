-- reads: dba_tables, dba_external_tables
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TABLES, DBA_EXTERNAL_TABLES
-- Left out: the recycle bin, and parts of other tables: overflow and mapping of index-organized tables,
-- storage of nested tables and of domain indexes, logs of materialized views, external tables.
select t.table_name, t.partitioned, t.temporary
  from dba_tables t
 where t.owner = :owner
   and t.table_name not like 'BIN$%'
   and t.table_name not like 'MLOG$%'
   and t.table_name not like 'RUPD$%'
   and t.nested = 'NO'
   and t.secondary = 'N'
   and (t.iot_type is null or t.iot_type = 'IOT')
   and not exists (select 1 from dba_external_tables x where x.owner = t.owner and x.table_name = t.table_name)
 order by t.table_name
