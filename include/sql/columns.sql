-- reads: dba_tab_columns
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TAB_COLUMNS
-- Objects in the recycle bin are left out.
select table_name, column_name, column_id, data_type, data_length, data_precision, data_scale, nullable
  from dba_tab_columns
 where owner = :owner
   and table_name not like 'BIN$%'
 order by table_name, column_id
