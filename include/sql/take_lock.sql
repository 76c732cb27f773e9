-- reads: changes {{ schema }}.DR_LOCK
-- binds: deployment, plan_id, owner, reason
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- ORA-00001: another plan holds it.
insert into {{ schema }}.dr_lock (deployment, plan_id, owner, reason, taken_at, heartbeat_at)
values (:deployment, :plan_id, :owner, :reason, sys_extract_utc(systimestamp), sys_extract_utc(systimestamp))
