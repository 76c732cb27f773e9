-- reads: dba_profiles
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_PROFILES; a row a limit
select distinct profile from dba_profiles
