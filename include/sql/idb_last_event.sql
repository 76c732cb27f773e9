-- reads: {{ schema }}.G_DSS_GCC_PROVIDER of an Interaction Database
-- binds: none
-- privilege: SELECT on the IDB's tables
-- source: docs.genesys.com ICON latest PDMOra, tables G_DSS_*_PROVIDER: the last event for which data was stored
-- The IDB has everything before it. LEVENT_ITIME is a TIMESTAMP (UTC) or UTC seconds, by release: the caller
-- takes both.
select max(p.levent_itime) as last_event
  from {{ schema }}.g_dss_gcc_provider p
