-- reads: changes {{ schema }}.DR_PURGE_JOB
-- binds: memory, job
-- privilege: owner of the schema
-- source: the procedures' own record
-- A person wants it enabled, so the end of the last hold enables it, whichever IDB that hold is of.
update {{ schema }}.dr_purge_job
   set changes = changes + 1,
       was_enabled = 'Y',
       memory = nvl(:memory, memory),
       enabled_again = enabled_again + 1,
       enabled_again_at = sys_extract_utc(systimestamp)
 where job = :job
