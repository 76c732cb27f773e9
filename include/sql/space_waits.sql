-- reads: dba_resumable
-- binds: job_name
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_RESUMABLE; a worker's name is <owner>.<job>.<number>, in some releases without
--         the owner. The view also shows waits that Data Pump does not print, such as those of an index
select name, suspend_time, error_msg
  from dba_resumable
 where status = 'SUSPENDED'
   and instr(upper(name), :job_name) > 0
 order by suspend_time, name
