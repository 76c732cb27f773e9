-- reads: dba_indexes, dba_part_indexes
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_INDEXES, DBA_PART_INDEXES
-- generated = Y: the database chose the name (SYS_C...), so it differs between sites: compare its columns.
-- status of a partitioned index is N/A, see unusable_partitions. Objects in the recycle bin are left out.
select i.owner, i.index_name, i.table_name, i.uniqueness, i.index_type, i.status, i.partitioned, i.generated, p.locality
  from dba_indexes i
  left join dba_part_indexes p
    on p.owner = i.owner
   and p.index_name = i.index_name
 where i.table_owner = :owner
   and i.index_type <> 'LOB'
   and i.table_name not like 'BIN$%'
   and i.index_name not like 'BIN$%'
 order by i.table_name, i.index_name
