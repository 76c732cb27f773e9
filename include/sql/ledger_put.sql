-- reads: changes {{ schema }}.DR_LEDGER
-- binds: deployment, plan_id, entry, value
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- ORA-00001: it is recorded already; the first value stays.
insert into {{ schema }}.dr_ledger (deployment, plan_id, name, value, noted_at)
values (:deployment, :plan_id, :entry, :value, sys_extract_utc(systimestamp))
