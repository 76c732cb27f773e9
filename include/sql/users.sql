-- reads: dba_users
-- binds: username
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_USERS
select username, account_status, default_tablespace
  from dba_users
 where username = :username
