-- reads: v$parameter
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, ENABLE_PLUGGABLE_DATABASE: TRUE in a CDB; no row before 12.1
select value from v$parameter where name = 'enable_pluggable_database'
