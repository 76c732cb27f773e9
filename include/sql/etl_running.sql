-- reads: {{ schema }}.CTL_EXTRACT_HISTORY, {{ schema }}.CTL_TRANSFORM_HISTORY
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMOra Table-CTL_EXTRACT_HISTORY; GIM latest PDMMS Table-CTL_TRANSFORM_HISTORY
-- A row without an end, with a later run of the same work, is from a crash and is not shown. It is not published
-- whether a release writes the row at the start of a job, so a missing row alone proves nothing.
select 'extract' as job, e.job_id, e.extract_start_time as started
  from {{ schema }}.ctl_extract_history e
 where e.extract_end_time is null
   and not exists (
         select 1
           from {{ schema }}.ctl_extract_history n
          where n.table_name = e.table_name
            and n.data_source_key = e.data_source_key
            and n.extract_start_time > e.extract_start_time)
union all
select 'transform' as job, t.job_id, t.transform_start_time as started
  from {{ schema }}.ctl_transform_history t
 where t.transform_end_time is null
   and not exists (
         select 1
           from {{ schema }}.ctl_transform_history n
          where n.hwm_name = t.hwm_name
            and n.transform_start_time > t.transform_start_time)
