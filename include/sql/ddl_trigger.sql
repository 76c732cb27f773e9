-- reads: dba_triggers
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Using Oracle GoldenGate for Oracle Database, Installing Trigger-Based DDL Capture
select owner, status from dba_triggers where trigger_name = 'GGS_DDL_TRIGGER_BEFORE'
