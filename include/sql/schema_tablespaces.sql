-- reads: dba_segments, dba_tables, dba_indexes
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SEGMENTS; a table without rows may have no segment yet
-- Tablespaces that the schema's tables and indexes name, without the recycle bin.
select s.tablespace_name
  from dba_segments s
 where s.owner = :owner
   and s.segment_name not like 'BIN$%'
 union
select t.tablespace_name
  from dba_tables t
 where t.owner = :owner
   and t.tablespace_name is not null
   and t.table_name not like 'BIN$%'
 union
select i.tablespace_name
  from dba_indexes i
 where i.owner = :owner
   and i.tablespace_name is not null
   and i.table_name not like 'BIN$%'
