-- reads: changes a scheduler job
-- binds: job (OWNER.NAME)
-- privilege: owner of the job, or ALTER on it, or CREATE ANY JOB
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_SCHEDULER; an object privilege by a role does not
-- count
-- ORA-27478: the job runs now. A disabled job stays disabled.
call dbms_scheduler.disable(:job)
