-- reads: {{ schema }}.G_CALL of an Interaction Database
-- binds: bucket_seconds, after_ts, until_ts, oldest_ts (UTC seconds)
-- privilege: SELECT on the IDB's tables
-- source: docs.genesys.com ICON latest PDMOra Table-G_CALL; TERMINATED_TS and CREATED_TS in UTC seconds
-- Calls that ended after after_ts and up to until_ts, by bucket (a number: times bucket_seconds it is the bucket's
-- beginning). CREATED_TS is there for its index: a call that began before oldest_ts is left out. The bind is
-- in a subquery, because Oracle takes the same bind in SELECT and GROUP BY for two expressions (ORA-00979).
select b.bucket, count(*) as calls
  from (select floor(c.terminated_ts / :bucket_seconds) as bucket
          from {{ schema }}.g_call c
         where c.terminated_ts > :after_ts
           and c.terminated_ts <= :until_ts
           and c.created_ts > :oldest_ts
           and c.created_ts <= :until_ts) b
 group by b.bucket
 order by b.bucket
