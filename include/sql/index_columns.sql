-- reads: dba_ind_columns
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_IND_COLUMNS
-- Objects in the recycle bin are left out.
select index_name, table_name, column_position, column_name, descend
  from dba_ind_columns
 where table_owner = :owner
   and table_name not like 'BIN$%'
   and index_name not like 'BIN$%'
 order by table_name, index_name, column_position
