-- reads: changes a scheduler job
-- binds: job (OWNER.NAME)
-- privilege: owner of the job, or MANAGE SCHEDULER and ALTER on it
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_SCHEDULER
call dbms_scheduler.enable(:job)
