-- reads: dba_role_privs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_ROLE_PRIVS
select granted_role from dba_role_privs where grantee = :owner
