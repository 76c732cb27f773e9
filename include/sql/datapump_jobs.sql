-- reads: dba_datapump_jobs
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_DATAPUMP_JOBS
-- NOT RUNNING: a job that was stopped, or whose master table was left behind.
select owner_name, job_name, operation, job_mode, state
  from dba_datapump_jobs
 order by owner_name, job_name
