-- reads: dba_segments, dba_tables, dba_tab_partitions, dba_tab_subpartitions
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SEGMENTS, DBA_TABLES.COMPRESS_FOR; a dump set has the rows without compression
-- Bytes of the segments whose rows a dump set holds: tables and LOBs; no index, no recycle bin.
select nvl(c.compress_for, 'NONE') as compress_for, sum(s.bytes) as bytes
  from dba_segments s
  left join (select t.table_name, null as part, t.compress_for
               from dba_tables t
              where t.owner = :owner
                and t.compression = 'ENABLED'
              union all
             select p.table_name, p.partition_name, p.compress_for
               from dba_tab_partitions p
              where p.table_owner = :owner
                and p.compression = 'ENABLED'
              union all
             select b.table_name, b.subpartition_name, b.compress_for
               from dba_tab_subpartitions b
              where b.table_owner = :owner
                and b.compression = 'ENABLED') c
    on c.table_name = s.segment_name
   and nvl(c.part, '-') = nvl(s.partition_name, '-')
 where s.owner = :owner
   and s.segment_name not like 'BIN$%'
   and s.segment_type in ('TABLE', 'TABLE PARTITION', 'TABLE SUBPARTITION', 'NESTED TABLE',
                          'LOBSEGMENT', 'LOB PARTITION', 'LOB SUBPARTITION')
 group by nvl(c.compress_for, 'NONE')
