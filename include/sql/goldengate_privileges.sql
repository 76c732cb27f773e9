-- reads: dba_goldengate_privileges
-- binds: grantee
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_GOLDENGATE_PRIVILEGES (11.2.0.3 and later): CAPTURE, APPLY, or * for both
select privilege_type from dba_goldengate_privileges where username = :grantee
