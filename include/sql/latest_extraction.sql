-- reads: {{ schema }}.CTL_EXTRACT_HISTORY
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMOra Table-CTL_EXTRACT_HISTORY; CREATED_TS in UTC seconds
select max(created_ts) as created_ts from {{ schema }}.ctl_extract_history
