-- reads: dba_users, dba_roles
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_USERS, DBA_ROLES; a grantee is one of them, or PUBLIC
select username as name from dba_users
 union
select role from dba_roles
