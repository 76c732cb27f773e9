-- reads: changes a job of DBMS_JOB
-- binds: job_number, next_run
-- privilege: owner of the job (PRIV_USER)
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_JOB
-- Without a date the job would run at once.
begin dbms_job.broken(:job_number, false, :next_run); end;
