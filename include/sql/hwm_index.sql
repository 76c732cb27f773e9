-- reads: changes {{ schema }}.CTL_EXTRACT_HWM: makes an index
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: guide, Setting Up Replication (releases 8.1.0 and 8.1.1 only)
create unique index {{ schema }}.i_c_extr_hwm_id on {{ schema }}.ctl_extract_hwm (
  table_name asc,
  data_source_key asc,
  max_ts asc
)
