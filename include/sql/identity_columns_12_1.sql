-- reads: dba_tab_identity_cols, dba_objects, dba_sequences
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TAB_IDENTITY_COLS (12.1 and later); before 12.2 it has no SEQUENCE_NAME
-- The sequence is ISEQ$$_ and the object id of the table.
select i.table_name, i.column_name, s.last_number, s.increment_by, s.cache_size
  from dba_tab_identity_cols i
  join dba_objects o
    on o.owner = i.owner
   and o.object_name = i.table_name
   and o.object_type = 'TABLE'
  join dba_sequences s
    on s.sequence_owner = i.owner
   and s.sequence_name = 'ISEQ$$_' || o.object_id
 where i.owner = :owner
   and i.table_name not like 'BIN$%'
 order by i.table_name, i.column_name
