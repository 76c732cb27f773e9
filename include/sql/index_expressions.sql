-- reads: dba_ind_expressions
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_IND_EXPRESSIONS
-- column_expression is a LONG: it is fetched, never compared here. A descending column is an expression too.
select index_name, table_name, column_position, column_expression
  from dba_ind_expressions
 where table_owner = :owner
   and table_name not like 'BIN$%'
   and index_name not like 'BIN$%'
 order by table_name, index_name, column_position
