-- reads: changes a scheduler job
-- binds: job (OWNER.NAME)
-- privilege: owner of the job, or MANAGE SCHEDULER and ALTER on it
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_SCHEDULER
-- ORA-27478: the job runs now. A job that is disabled already stays so.
call dbms_scheduler.disable(:job)
