-- reads: changes a job of DBMS_JOB
-- binds: job_number
-- privilege: owner of the job (PRIV_USER)
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_JOB
-- A block, since CALL takes no BOOLEAN. Not while the job runs: its end would reset the flag.
begin dbms_job.broken(:job_number, true); end;
