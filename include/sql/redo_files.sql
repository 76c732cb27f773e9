-- reads: v$logfile
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$LOGFILE: a MEMBER in ASM begins with +
select member from v$logfile order by member
