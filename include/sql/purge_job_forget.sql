-- reads: changes {{ schema }}.DR_PURGE_JOB
-- binds: deployment, site, idb, job, changes
-- privilege: owner of the schema
-- source: the procedures' own record
delete from {{ schema }}.dr_purge_job
 where deployment = :deployment
   and site = :site
   and idb = :idb
   and job = :job
   and changes = :changes
