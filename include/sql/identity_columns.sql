-- reads: dba_tab_identity_cols, dba_sequences
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TAB_IDENTITY_COLS (12.1 and later), SEQUENCE_NAME (12.2 and later)
-- The name of the sequence has the table's object id, so it differs between sites.
select i.table_name, i.column_name, s.last_number, s.increment_by, s.cache_size
  from dba_tab_identity_cols i
  join dba_sequences s
    on s.sequence_owner = i.owner
   and s.sequence_name = i.sequence_name
 where i.owner = :owner
   and i.table_name not like 'BIN$%'
 order by i.table_name, i.column_name
