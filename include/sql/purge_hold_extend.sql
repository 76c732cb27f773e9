-- reads: changes {{ schema }}.DR_PURGE_HOLD
-- binds: ends_at, until_site, until_time, deployment, site, idb, hold_id
-- privilege: owner of the schema
-- source: the procedures' own record
update {{ schema }}.dr_purge_hold
   set ends_at = :ends_at,
       until_site = :until_site,
       until_time = :until_time
 where deployment = :deployment
   and site = :site
   and idb = :idb
   and hold_id = :hold_id
   and released_at is null
