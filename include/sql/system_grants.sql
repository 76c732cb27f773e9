-- reads: dba_sys_privs, dba_role_privs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SYS_PRIVS, DBA_ROLE_PRIVS
select privilege, admin_option
  from dba_sys_privs
 where grantee = :owner
union
select granted_role as privilege, admin_option
  from dba_role_privs
 where grantee = :owner
 order by privilege
