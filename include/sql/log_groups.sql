-- reads: dba_log_groups
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_LOG_GROUPS; ADD TRANDATA makes them, ADD SCHEMATRANDATA does not
select table_name, log_group_name, log_group_type, always
  from dba_log_groups
 where owner = :owner
 order by table_name, log_group_name
