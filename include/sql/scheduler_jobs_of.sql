-- reads: dba_scheduler_jobs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SCHEDULER_JOBS
-- From 19c on a job of DBMS_JOB is here too, as DBMS_JOB$_<number>; dbms_jobs_of has it.
select owner, job_name, enabled, state
  from dba_scheduler_jobs
 where owner = :owner
   and job_name not like 'DBMS_JOB$%'
 order by job_name
