-- reads: changes {{ schema }}.DR_PURGE_JOB
-- binds: deployment, site, idb, job
-- privilege: owner of the schema
-- source: the procedures' own record
-- Says that a hold needs the job: a run that is about to forget it finds another number of changes.
update {{ schema }}.dr_purge_job
   set changes = changes + 1
 where deployment = :deployment
   and site = :site
   and idb = :idb
   and job = :job
