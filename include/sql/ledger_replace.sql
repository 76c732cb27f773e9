-- reads: changes {{ schema }}.DR_LEDGER
-- binds: deployment, plan_id, entry, value, expected
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- No row: another run has changed it in the meantime.
update {{ schema }}.dr_ledger
   set value = :value, noted_at = sys_extract_utc(systimestamp)
 where deployment = :deployment
   and plan_id = :plan_id
   and name = :entry
   and value = :expected
