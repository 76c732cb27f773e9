-- reads: {{ schema }}.DR_PURGE_HOLD
-- binds: deployment, site, idb
-- privilege: owner of the schema
-- source: the procedures' own record
-- Times are UTC.
select hold_id, owner, ticket, reason, placed_at, begins_at, ends_at, until_site, until_time,
       end_asked_at, changes, released_at, released_by, released_why
  from {{ schema }}.dr_purge_hold
 where deployment = :deployment
   and site = :site
   and idb = :idb
 order by placed_at, hold_id
