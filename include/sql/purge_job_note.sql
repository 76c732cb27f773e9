-- reads: changes {{ schema }}.DR_PURGE_JOB
-- binds: deployment, site, idb, job, was_enabled, memory
-- privilege: owner of the schema
-- source: the procedures' own record
-- ORA-00001: another run has recorded it.
insert into {{ schema }}.dr_purge_job
       (deployment, site, idb, job, was_enabled, memory, held_since, changes, enabled_again)
values (:deployment, :site, :idb, :job, :was_enabled, :memory, sys_extract_utc(systimestamp), 1, 0)
