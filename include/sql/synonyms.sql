-- reads: dba_synonyms
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SYNONYMS
select synonym_name, table_owner, table_name, db_link
  from dba_synonyms
 where owner = :owner
 order by synonym_name
