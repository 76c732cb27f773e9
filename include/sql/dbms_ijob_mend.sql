-- reads: changes a job of DBMS_JOB
-- binds: job_number, next_run
-- privilege: EXECUTE on SYS.DBMS_IJOB, which the role DBA has
-- source: DBMS_IJOB is not documented by Oracle: DBMS_JOB over it touches the own jobs only
-- Without a date the job would run at once.
begin sys.dbms_ijob.broken(:job_number, false, :next_run); end;
