-- reads: {{ schema }}.INTERACTION_FACT
-- binds: from_key, oldest_key (keys of 15-minute intervals: UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com PSAAS RPRT Table-INTERACTION_FACT; GIM 8.5.0 PDMPostgre View-ADMIN_AUDIT_LOG
-- The newest fact and the highest audit key of the facts: the last transformation in this database. The partitions are
-- by START_DATE_TIME_KEY; an interaction that began before oldest_key is left out.
select max(f.end_ts) as end_ts, max(f.create_audit_key) as audit_key
  from {{ schema }}.interaction_fact f
 where f.end_date_time_key >= :from_key
   and f.start_date_time_key >= :oldest_key
