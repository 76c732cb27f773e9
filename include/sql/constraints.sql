-- reads: dba_constraints
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_CONSTRAINTS
-- generated = GENERATED NAME: the name differs between sites: compare type and columns. r_table_name is the parent of
-- a foreign key. Objects in the recycle bin are left out.
select c.constraint_name, c.table_name, c.constraint_type, c.status, c.validated, c.generated, c.r_owner,
       r.table_name as r_table_name
  from dba_constraints c
  left join dba_constraints r
    on r.owner = c.r_owner
   and r.constraint_name = c.r_constraint_name
 where c.owner = :owner
   and c.table_name not like 'BIN$%'
   and c.constraint_name not like 'BIN$%'
 order by c.table_name, c.constraint_name
