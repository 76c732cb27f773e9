-- reads: dba_users
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_USERS
select username, profile, default_tablespace, temporary_tablespace from dba_users where username = :owner
