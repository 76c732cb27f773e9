-- reads: {{ schema }}.CTL_EXTRACT_HISTORY, {{ schema }}.CTL_TRANSFORM_HISTORY
-- binds: since_ts (UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMOra Table-CTL_EXTRACT_HISTORY; GIM latest PDMMS Table-CTL_TRANSFORM_HISTORY
-- Rows that were extracted after the begin of the last finished transformation, by data source: they wait for the next
-- one. For watching: cheaper than etl_pending, and without its care for what happens within one second.
select e.data_source_key, sum(e.row_count) as row_count, min(e.created_ts) as oldest_ts
  from {{ schema }}.ctl_extract_history e
 where e.row_count > 0
   and e.created_ts > :since_ts
   and e.extract_end_time > (
         select nvl(max(t.transform_start_time), to_date('1970-01-01', 'YYYY-MM-DD'))
           from {{ schema }}.ctl_transform_history t
          where t.transform_end_time is not null)
 group by e.data_source_key
