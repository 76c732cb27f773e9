-- reads: v$version
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$VERSION; the first banner names the edition
select banner from v$version
