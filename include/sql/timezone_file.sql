-- reads: v$timezone_file
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Utilities, Time Zone File Versions on the Source and Target: impdp
-- refuses a newer one (ORA-39405)
select version from v$timezone_file
