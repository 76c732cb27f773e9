-- reads: {{ schema }}.DATE_TIME
-- binds: epoch (UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM latest PDMPostgre Table-DATE_TIME; guide, Disaster Recovery Procedure step 10
-- The table holds one special row far in the future, so the bind bounds the maximum. A key more than 900 s
-- below the bind means that the table does not reach that far: the caller must check.
select d.date_time_key, d.label_yyyy_mm_dd
  from {{ schema }}.date_time d
 where d.date_time_key = (select max(m.date_time_key) from {{ schema }}.date_time m where m.date_time_key <= :epoch)
