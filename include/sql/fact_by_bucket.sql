-- reads: {{ schema }}.INTERACTION_FACT
-- binds: bucket_seconds, from_key, to_key, oldest_key (keys of 15-minute intervals: UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com PSAAS RPRT Table-INTERACTION_FACT; END_TS in UTC seconds
-- Interactions that ended in the intervals from_key to to_key, by bucket (a number: times bucket_seconds it is the
-- bucket's beginning). The partitions are by START_DATE_TIME_KEY. The bind is in a subquery, because Oracle takes the
-- same bind in SELECT and GROUP BY for two expressions (ORA-00979).
select b.bucket, count(*) as interactions
  from (select floor(f.end_ts / :bucket_seconds) as bucket
          from {{ schema }}.interaction_fact f
         where f.end_date_time_key >= :from_key
           and f.end_date_time_key <= :to_key
           and f.start_date_time_key >= :oldest_key) b
 group by b.bucket
 order by b.bucket
