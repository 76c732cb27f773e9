-- Job_TransformGIM for the calls in TMP_CALL_KEYS. Psycopg parameters: audit_key, now (UTC epoch).
insert into g_call select callid, end_ts, data_source_key from tmp_call_keys on conflict do nothing;
insert into g_ir select callid, callid, end_ts from tmp_call_keys on conflict do nothing;

insert into stg_sm_res_state_fact_v select irf_id, agentid, start_ts, end_ts from tmp_call_keys;

insert into interaction_fact
select interaction_id, 2, calltype, 1, call_number, call_number, callid, callid, callani, calldnis, null, 1, start_ts,
       end_ts, start_ts - start_ts %% 900, end_ts - end_ts %% 900, %(audit_key)s, %(audit_key)s, 0, null
  from tmp_call_keys;
insert into interaction_resource_fact
select irf_id, 2, interaction_id, calltype, 1, agentid, 1, 1 + call_number %% 2, 41 + call_number %% 10, 1, 1,
       greatest(end_ts - start_ts - 8, 0), 0, 0, 5, end_ts - start_ts, start_ts, end_ts, start_ts - start_ts %% 900,
       end_ts - end_ts %% 900, %(audit_key)s, %(audit_key)s
  from tmp_call_keys;
insert into mediation_segment_fact
select msf_id, 2, interaction_id, calltype, 1, 41 + call_number %% 10, 3, irf_id, 8, start_ts, start_ts + 8,
       start_ts - start_ts %% 900, start_ts + 8 - (start_ts + 8) %% 900, %(audit_key)s, %(audit_key)s
  from tmp_call_keys;
insert into ixn_resource_state_fact
select nextval('seq_ixn_resource_state_fact'), 2, irf_id, 1, start_ts, end_ts, start_ts - start_ts %% 900,
       end_ts - start_ts, %(audit_key)s
  from tmp_call_keys;
insert into irf_user_data_gen_1
select irf_id, start_ts - start_ts %% 900, 2, 'case' || call_number, 'customer' || call_number %% 1000, %(audit_key)s
  from tmp_call_keys;
insert into irf_user_data_keys select irf_id, start_ts - start_ts %% 900, 2, 1 + call_number %% 2, 1, %(audit_key)s
  from tmp_call_keys;
insert into sm_res_state_fact
select nextval('seq_sm_res_state_fact'), 2, 1, resource_key, 3, min(start_ts), max(end_ts),
       min(start_ts) - min(start_ts) %% 900, max(end_ts) - min(start_ts), %(audit_key)s
  from stg_sm_res_state_fact_v group by resource_key;

insert into agr_notification
select nextval('seq_agr_notification'), 'INTERACTION_RESOURCE_FACT', start_key, 2, %(now)s
  from (select distinct start_ts - start_ts %% 900 as start_key from tmp_call_keys) as intervals;
delete from stg_sm_res_state_fact_v;
delete from g_call where callid in (select callid from tmp_call_keys);
delete from g_ir where callid in (select callid from tmp_call_keys);
delete from tmp_call_keys;
