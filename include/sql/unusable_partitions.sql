-- reads: dba_indexes, dba_ind_partitions, dba_ind_subpartitions
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_IND_PARTITIONS, DBA_IND_SUBPARTITIONS
-- Objects in the recycle bin are left out.
select i.owner, i.index_name, i.table_name, p.partition_name, 'PARTITION' as kind
  from dba_indexes i
  join dba_ind_partitions p
    on p.index_owner = i.owner
   and p.index_name = i.index_name
 where i.table_owner = :owner
   and p.status = 'UNUSABLE'
   and i.index_name not like 'BIN$%'
union all
select i.owner, i.index_name, i.table_name, s.subpartition_name as partition_name, 'SUBPARTITION' as kind
  from dba_indexes i
  join dba_ind_subpartitions s
    on s.index_owner = i.owner
   and s.index_name = i.index_name
 where i.table_owner = :owner
   and s.status = 'UNUSABLE'
   and i.index_name not like 'BIN$%'
