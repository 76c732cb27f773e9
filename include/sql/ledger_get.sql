-- reads: {{ schema }}.DR_LEDGER
-- binds: deployment, plan_id, entry
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
select value, noted_at
  from {{ schema }}.dr_ledger
 where deployment = :deployment
   and plan_id = :plan_id
   and name = :entry
