-- reads: dba_datapump_jobs
-- binds: owner, job_name
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_DATAPUMP_JOBS
select owner_name, job_name, operation, job_mode, state, degree, attached_sessions
  from dba_datapump_jobs
 where owner_name = :owner
   and job_name = :job_name
