-- reads: {{ schema }}.CTL_EXTRACT_HISTORY, {{ schema }}.CTL_TRANSFORM_HISTORY
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMOra Table-CTL_EXTRACT_HISTORY; GIM latest PDMMS Table-CTL_TRANSFORM_HISTORY
-- No row: every extraction has been transformed. An extraction counts as transformed when a finished
-- transformation began after it ended. Times have whole seconds: in the same second only the transformation's own
-- high-water mark decides, and without one the extraction stays pending (the safe side).
select e.data_source_key,
       count(*) as extractions,
       sum(e.row_count) as row_count,
       max(e.extract_end_time) as extract_end_time,
       max(e.max_ts) as max_ts
  from {{ schema }}.ctl_extract_history e
 where e.row_count > 0
   and e.extract_end_time is not null
   and not exists (
         select 1
           from {{ schema }}.ctl_transform_history t
          where t.transform_end_time is not null
            and (t.transform_start_time > e.extract_end_time
                 or (t.transform_start_time = e.extract_end_time
                     and t.hwm_name = cast(e.data_source_key as varchar2(40))
                     and t.hwm_value >= e.max_ts)))
 group by e.data_source_key
 order by e.data_source_key
