-- reads: changes {{ schema }}.DR_LOCK
-- binds: deployment, plan_id
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
update {{ schema }}.dr_lock
   set heartbeat_at = sys_extract_utc(systimestamp)
 where deployment = :deployment
   and plan_id = :plan_id
