-- reads: {{ schema }}.G_CALL of an Interaction Database
-- binds: low
-- privilege: SELECT on the IDB's tables
-- source: docs.genesys.com Interaction Concentrator, G_CALL; CREATED_TS in UTC seconds
-- No call above a high-water mark: the mark stands still because the data source is idle.
select count(*) as calls from {{ schema }}.g_call where created_ts > :low
