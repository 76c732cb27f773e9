-- reads: {{ schema }}.DR_PURGE_JOB
-- binds: none
-- privilege: owner of the schema
-- source: the procedures' own record
-- Times are UTC. All deployments and IDBs: one job may purge several.
select deployment, site, idb, job, was_enabled, memory, held_since, changes, enabled_again, enabled_again_at
  from {{ schema }}.dr_purge_job
 order by deployment, site, idb, job
