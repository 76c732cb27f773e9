-- Job_MaintainGIM: old rows of CTL_EXTRACT_HISTORY and CTL_TRANSFORM_HISTORY. Each data source's highest
-- transformed mark stays, and so does every extraction above it. Psycopg parameter: before (UTC epoch).
delete from ctl_extract_history as e
 where created_ts < %(before)s
   and max_ts <= (select max(hwm_value) from ctl_transform_history where hwm_name = e.data_source_key::text);
delete from ctl_transform_history as t
 where created_ts < %(before)s
   and exists (select from ctl_transform_history as later
                where later.hwm_name = t.hwm_name and later.hwm_value > t.hwm_value);
