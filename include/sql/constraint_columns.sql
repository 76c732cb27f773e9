-- reads: dba_cons_columns
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_CONS_COLUMNS
-- position is null for the columns of a check. Objects in the recycle bin are left out.
select constraint_name, table_name, position, column_name
  from dba_cons_columns
 where owner = :owner
   and table_name not like 'BIN$%'
   and constraint_name not like 'BIN$%'
 order by table_name, constraint_name, position, column_name
