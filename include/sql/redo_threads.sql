-- reads: v$thread
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$THREAD: ENABLED is DISABLED, PRIVATE or PUBLIC; each instance of a RAC has one
select count(*) as threads from v$thread where enabled <> 'DISABLED'
