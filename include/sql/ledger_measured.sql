-- reads: {{ schema }}.DR_LEDGER
-- binds: deployment, fact_1, fact_2, fact_3, fact_4, fact_5, fact_6, fact_7, fact_8, fact_9
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- The times that earlier plans have recorded.
select plan_id, name, value, noted_at
  from {{ schema }}.dr_ledger
 where deployment = :deployment
   and name in (:fact_1, :fact_2, :fact_3, :fact_4, :fact_5, :fact_6, :fact_7, :fact_8, :fact_9)
 order by plan_id, noted_at
