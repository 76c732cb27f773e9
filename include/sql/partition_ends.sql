-- reads: dba_tab_partitions, dba_part_tables
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TAB_PARTITIONS.HIGH_VALUE (a LONG), DBA_PART_TABLES.INTERVAL
-- The newest partition of each table that is partitioned by range. With an interval the database makes partitions by
-- itself.
select p.table_name, p.high_value
  from dba_tab_partitions p
  join dba_part_tables t on t.owner = p.table_owner and t.table_name = p.table_name
 where p.table_owner = :owner
   and p.table_name not like 'BIN$%'
   and t.partitioning_type = 'RANGE'
   and t.interval is null
   and p.partition_position = (
         select max(m.partition_position)
           from dba_tab_partitions m
          where m.table_owner = p.table_owner
            and m.table_name = p.table_name)
 order by p.table_name
