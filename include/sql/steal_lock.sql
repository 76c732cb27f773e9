-- reads: changes {{ schema }}.DR_LOCK
-- binds: deployment, plan_id, owner, reason, held_by
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- Names the plan that loses the lock, so that no third plan loses it by mistake.
update {{ schema }}.dr_lock
   set plan_id = :plan_id,
       owner = :owner,
       reason = :reason,
       taken_at = sys_extract_utc(systimestamp),
       heartbeat_at = sys_extract_utc(systimestamp)
 where deployment = :deployment
   and plan_id = :held_by
