-- reads: dba_synonyms, dba_dependencies, dba_constraints
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SYNONYMS, DBA_DEPENDENCIES, DBA_CONSTRAINTS
-- Other schemas' objects on this one. A schema export has none of them, and a replaced table loses the foreign
-- keys of others.
select owner, synonym_name as name, 'SYNONYM' as type, table_name as referenced_name
  from dba_synonyms
 where table_owner = :owner
   and owner <> :owner
   and db_link is null
union
select owner, name, type, referenced_name
  from dba_dependencies
 where referenced_owner = :owner
   and owner <> :owner
   and owner <> 'SYS'
   and type <> 'SYNONYM'
   and referenced_name not like 'BIN$%'
union
select c.owner, c.table_name || '.' || c.constraint_name as name, 'FOREIGN KEY' as type, r.table_name as referenced_name
  from dba_constraints c
  join dba_constraints r
    on r.owner = c.r_owner
   and r.constraint_name = c.r_constraint_name
 where c.r_owner = :owner
   and c.owner <> :owner
   and c.table_name not like 'BIN$%'
