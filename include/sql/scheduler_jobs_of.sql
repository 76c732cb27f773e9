-- reads: dba_scheduler_jobs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SCHEDULER_JOBS
select owner, job_name, enabled, state
  from dba_scheduler_jobs
 where owner = :owner
 order by job_name
