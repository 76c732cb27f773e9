-- reads: changes {{ schema }}.DR_PURGE_JOB
-- binds: memory, job
-- privilege: owner of the schema
-- source: the procedures' own record
-- Somebody wants it enabled, so it is at the end of the last hold, whichever IDB that is of.
update {{ schema }}.dr_purge_job
   set changes = changes + 1,
       was_enabled = 'Y',
       memory = nvl(:memory, memory),
       enabled_again = enabled_again + 1,
       enabled_again_at = sys_extract_utc(systimestamp)
 where job = :job
