-- reads: {{ schema }}.CTL_EXTRACT_HWM
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: guide, Setting Up Replication, index of 8.1.0 and 8.1.1; MAX_TS in UTC seconds
select data_source_key, table_name, max_ts
  from {{ schema }}.ctl_extract_hwm
 order by data_source_key, table_name
