-- reads: {{ schema }}.CTL_EXTRACT_HISTORY
-- binds: since_ts (UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMOra Table-CTL_EXTRACT_HISTORY; CREATED_TS in UTC seconds
-- Rows that were extracted since a moment, by table.
select e.table_name, sum(e.row_count) as row_count
  from {{ schema }}.ctl_extract_history e
 where e.created_ts > :since_ts
   and e.row_count > 0
 group by e.table_name
