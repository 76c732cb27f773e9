-- reads: changes {{ schema }}.DR_PURGE_HOLD
-- binds: ends_at, until_site, until_time, asked_at, deployment, site, idb, hold_id
-- privilege: owner of the schema
-- source: the procedures' own record
-- A cleared older run does not undo the end that a later one has set.
update {{ schema }}.dr_purge_hold
   set ends_at = :ends_at,
       until_site = :until_site,
       until_time = :until_time,
       end_asked_at = :asked_at,
       changes = changes + 1
 where deployment = :deployment
   and site = :site
   and idb = :idb
   and hold_id = :hold_id
   and released_at is null
   and (end_asked_at is null or end_asked_at <= :asked_at)
