-- reads: dba_tab_privs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TAB_PRIVS; OWNER is that of the object
select distinct grantee from dba_tab_privs where owner = :owner
