-- reads: dba_jobs
-- binds: job_number
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_JOBS: PRIV_USER owns the job; THIS_DATE is null while it does not run
-- Times are those of the database's host, as NEXT_DATE is.
select job, priv_user, broken, next_date, this_date, sysdate as time_there,
       case when priv_user = user then 'Y' else 'N' end as own
  from dba_jobs
 where job = :job_number
