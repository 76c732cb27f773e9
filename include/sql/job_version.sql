-- reads: {{ schema }}.CTL_EXTRACT_HISTORY
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMOra Table-CTL_EXTRACT_HISTORY; JOB_VERSION of the newest extraction
select max(e.job_version) as job_version
  from {{ schema }}.ctl_extract_history e
 where e.created_ts = (select max(n.created_ts) from {{ schema }}.ctl_extract_history n)
