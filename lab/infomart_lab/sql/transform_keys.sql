-- Calls of one data source that Job_TransformGIM loads, with the keys of their rows. Psycopg parameters:
-- data_source_key, low (exclusive) and high (inclusive) CREATED_TS.
insert into tmp_call_keys
select c.id, nextval('seq_interaction_fact'), nextval('seq_interaction_resource_fact'),
       nextval('seq_mediation_segment_fact'), c.data_source_key, c.callid, c.call_number, c.calltype, c.callani,
       c.calldnis, coalesce(r.created_ts, c.created_ts), c.terminated_ts, coalesce(p.agentid, 1)
  from (select * from gidb_g_call_v
         where data_source_key = %(data_source_key)s and created_ts > %(low)s and created_ts <= %(high)s
         order by created_ts, id) as c
  left join (select irid, min(created_ts) as created_ts from gidb_g_ir_v
              where data_source_key = %(data_source_key)s and terminated_ts > %(low)s and terminated_ts <= %(high)s
              group by irid) as r on r.irid = c.irid
  left join (select callid, min(agentid) as agentid from gidb_g_party_v
              where data_source_key = %(data_source_key)s and terminated_ts > %(low)s and terminated_ts <= %(high)s
              group by callid) as p on p.callid = c.callid
