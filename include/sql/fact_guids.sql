-- reads: {{ schema }}.INTERACTION_FACT
-- binds: from_key, to_key, oldest_key (keys of 15-minute intervals: UTC seconds)
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com PSAAS RPRT Table-INTERACTION_FACT; MEDIA_SERVER_IXN_GUID is the IDB's CALLID
-- Interactions that ended in the intervals from_key to to_key. The partitions are by START_DATE_TIME_KEY.
select f.media_server_ixn_guid as guid
  from {{ schema }}.interaction_fact f
 where f.end_date_time_key >= :from_key
   and f.end_date_time_key <= :to_key
   and f.start_date_time_key >= :oldest_key
