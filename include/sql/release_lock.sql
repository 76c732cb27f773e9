-- reads: changes {{ schema }}.DR_LOCK
-- binds: deployment, plan_id
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
delete from {{ schema }}.dr_lock where deployment = :deployment and plan_id = :plan_id
