-- reads: dba_indexes
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_INDEXES
-- generated = Y: the database chose the name (SYS_C...), so it differs between sites: compare its columns.
-- Objects in the recycle bin are left out.
select index_name, table_name, uniqueness, index_type, status, partitioned, generated
  from dba_indexes
 where table_owner = :owner
   and index_type <> 'LOB'
   and table_name not like 'BIN$%'
   and index_name not like 'BIN$%'
 order by table_name, index_name
