-- reads: dba_views
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_VIEWS
-- text is a LONG.
select view_name, text
  from dba_views
 where owner = :owner
 order by view_name
