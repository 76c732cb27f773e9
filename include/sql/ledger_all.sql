-- reads: {{ schema }}.DR_LEDGER
-- binds: deployment, plan_id
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
select name, value, noted_at
  from {{ schema }}.dr_ledger
 where deployment = :deployment
   and plan_id = :plan_id
 order by noted_at, name
