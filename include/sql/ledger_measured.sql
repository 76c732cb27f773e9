-- reads: {{ schema }}.DR_LEDGER
-- binds: deployment
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- What earlier plans noted of their times.
select plan_id, name, value, noted_at
  from {{ schema }}.dr_ledger
 where deployment = :deployment
   and name in ('schema_bytes', 'export_seconds', 'manifest_digest', 'transferred',
                'sequences_dropped', 'imported', 'final_stop', 'point_of_no_return')
 order by plan_id, noted_at
