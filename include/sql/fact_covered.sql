-- reads: {{ schema }}.CTL_AUDIT_LOG
-- binds: audit_key, since_ts (UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMPostgre View-ADMIN_AUDIT_LOG: MAX_CHUNK_TS, INSERTED, CREATED
-- End of the extraction of each data source before the transformation of audit_key began. Its calls up to then are
-- among the facts, since a transformation takes everything that is extracted.
select a.data_source_key, max(a.max_chunk_ts) as covered_ts
  from {{ schema }}.ctl_audit_log a
  join {{ schema }}.ctl_audit_log t on t.audit_key = :audit_key
 where a.audit_key < t.audit_key
   and a.inserted <= t.created
   and a.created_ts >= :since_ts
   and a.data_source_key is not null
 group by a.data_source_key
 order by a.data_source_key
