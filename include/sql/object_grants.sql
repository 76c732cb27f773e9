-- reads: dba_tab_privs, dba_directories
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TAB_PRIVS: grants to the schema, and those on its objects to others
-- Grants to the schema are not part of a schema export. A directory object is owned by SYS.
select distinct p.grantee, p.owner, p.table_name, p.privilege, p.grantable, d.directory_name
  from dba_tab_privs p
  left join dba_directories d
    on d.directory_name = p.table_name
   and p.owner = 'SYS'
 where (p.grantee = :owner or p.owner = :owner)
   and p.grantee <> p.owner
   and p.table_name not like 'BIN$%'
   and p.table_name not like 'SYS_PLSQL%'
   and p.privilege not like 'INHERIT%'
 order by p.owner, p.table_name, p.grantee, p.privilege
