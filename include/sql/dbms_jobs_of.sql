-- reads: dba_jobs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_JOBS: PRIV_USER owns the job; THIS_DATE is null while it does not run
-- Times are those of the database's host, as NEXT_DATE is.
select job, broken, next_date, this_date, sysdate as time_there
  from dba_jobs
 where priv_user = :owner
 order by job
