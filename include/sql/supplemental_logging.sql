-- reads: v$database
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$DATABASE; MIN must be YES or IMPLICIT before an Extract is added
select supplemental_log_data_min, supplemental_log_data_pk, supplemental_log_data_ui,
       supplemental_log_data_all, force_logging, log_mode
  from v$database
