-- reads: changes a job of DBMS_JOB
-- binds: job_number
-- privilege: EXECUTE on SYS.DBMS_IJOB, which the role DBA has
-- source: DBMS_IJOB is not documented by Oracle: DBMS_JOB over it touches the own jobs only
-- A block, since CALL takes no BOOLEAN. Not while the job runs: its end would reset the flag.
begin sys.dbms_ijob.broken(:job_number, true); end;
