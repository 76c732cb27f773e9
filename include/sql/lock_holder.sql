-- reads: {{ schema }}.DR_LOCK
-- binds: deployment
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- Times are UTC.
select plan_id, owner, reason, taken_at, heartbeat_at
  from {{ schema }}.dr_lock
 where deployment = :deployment
