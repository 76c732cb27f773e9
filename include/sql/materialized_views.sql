-- reads: dba_mviews
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_MVIEWS
-- query is a LONG.
select mview_name, query
  from dba_mviews
 where owner = :owner
 order by mview_name
