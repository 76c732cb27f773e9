-- reads: changes {{ schema }}.DR_PURGE_HOLD
-- binds: released_by, released_why, deployment, site, idb, hold_id, changes
-- privilege: owner of the schema
-- source: the procedures' own record
-- Only the hold whose end was judged: another run may have extended it in the meantime.
update {{ schema }}.dr_purge_hold
   set released_at = sys_extract_utc(systimestamp),
       released_by = :released_by,
       released_why = :released_why
 where deployment = :deployment
   and site = :site
   and idb = :idb
   and hold_id = :hold_id
   and released_at is null
   and changes = :changes
