-- reads: {{ schema }}.G_CALL of an Interaction Database
-- binds: after_ts, until_ts, oldest_ts (UTC seconds)
-- privilege: SELECT on the IDB's tables
-- source: docs.genesys.com ICON latest PDMOra Table-G_CALL; TERMINATED_TS and CREATED_TS in UTC seconds
-- Calls that ended after after_ts and up to until_ts. CREATED_TS is there for its index.
select c.callid as guid, c.terminated_ts
  from {{ schema }}.g_call c
 where c.terminated_ts > :after_ts
   and c.terminated_ts <= :until_ts
   and c.created_ts > :oldest_ts
   and c.created_ts <= :until_ts
