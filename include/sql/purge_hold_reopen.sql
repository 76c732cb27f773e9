-- reads: changes {{ schema }}.DR_PURGE_HOLD
-- binds: owner, begins_at, until_site, deployment, site, idb, hold_id
-- privilege: owner of the schema
-- source: the procedures' own record
-- A resumed plan holds again under its own id.
update {{ schema }}.dr_purge_hold
   set owner = :owner,
       begins_at = :begins_at,
       until_site = :until_site,
       ends_at = null,
       until_time = null,
       end_asked_at = null,
       changes = changes + 1,
       released_at = null,
       released_by = null,
       released_why = null
 where deployment = :deployment
   and site = :site
   and idb = :idb
   and hold_id = :hold_id
   and (released_at is not null or ends_at is not null or until_time is not null)
