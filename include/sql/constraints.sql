-- reads: dba_constraints
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_CONSTRAINTS
-- generated = GENERATED NAME: the name differs between sites: compare type and columns. Objects in the
-- recycle bin are left out.
select constraint_name, table_name, constraint_type, status, validated, generated, r_constraint_name, index_name
  from dba_constraints
 where owner = :owner
   and table_name not like 'BIN$%'
   and constraint_name not like 'BIN$%'
 order by table_name, constraint_name
