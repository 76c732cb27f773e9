-- Rows that a running Info Mart has. Psycopg parameters: scale, started (UTC epoch of now), quarter (start of
-- the current 15 minutes), days (days over which the interactions lie), release, gidb (interactions that
-- GIDB still holds).

-- 15-minute intervals of 40 days back to 10 days ahead, and the special row in the far future.
insert into date_time
select k, k - k %% 1800, k - k %% 3600, k - k %% 86400, extract(epoch from date_trunc('week', t))::bigint,
       extract(epoch from date_trunc('month', t))::bigint, k + 900, date_trunc('day', t), to_char(t, 'FMDay'),
       to_char(t, 'FMMonth'), extract(isodow from t), extract(day from t), extract(doy from t),
       extract(month from t), extract(year from t), extract(hour from t), extract(minute from t),
       to_char(t, 'YYYY'), to_char(t, 'YYYY-MM'), to_char(t, 'YYYY-MM-DD'), to_char(t, 'YYYY-MM-DD HH24'),
       to_char(t, 'YYYY-MM-DD HH24:MI') || '-' || to_char(t + interval '15 minutes', 'HH24:MI'), 1
  from (select k, to_timestamp(k) at time zone 'UTC' as t
          from generate_series(%(quarter)s - %(quarter)s %% 86400 - 40 * 86400,
                               %(quarter)s - %(quarter)s %% 86400 + 10 * 86400, 900) as k
        union all select 4102444800, timestamp '2100-01-01') as intervals;

insert into tenant values (1, 'Environment', 1, 946684800, null, 1), (2, 'Resources', 101, 946684800, null, 1);
insert into media_type values (1, 'Voice', 'VOICE', 1, 1), (2, 'Email', 'EMAIL', 0, 1), (3, 'Chat', 'CHAT', 1, 1);
insert into interaction_type values (1, 'Inbound', 'INBOUND', 'InboundNew', 'INBOUNDNEW'),
    (2, 'Outbound', 'OUTBOUND', 'OutboundNew', 'OUTBOUNDNEW'), (3, 'Internal', 'INTERNAL', 'Unspecified', 'UNSPECIFIED');
insert into resource_ (resource_key, tenant_key, resource_type, resource_type_code, resource_subtype, resource_name,
                       agent_first_name, agent_last_name, employee_id, source_resource_key, gmt_start_time,
                       create_audit_key)
select nextval('seq_resource'), 2, 'Agent', 'AGENT', 'Agent', 'agent' || n, 'First' || n, 'Last' || n, 'E' || n, n,
       timestamp '2000-01-01', 1 from generate_series(1, 40) as n
union all
select nextval('seq_resource'), 2, 'Queue', 'QUEUE', 'VirtualQueue', 'VQ_' || n, null, null, null, 1000 + n,
       timestamp '2000-01-01', 1 from generate_series(1, 10) as n;
insert into group_ select n, 2, 'Group ' || n, 'Agent', 'AGENT', n, 1 from generate_series(1, 5) as n;
insert into place select n, 2, 'place' || n, 1 from generate_series(1, 40) as n;
insert into calling_list select n, 2, 'List ' || n, 946684800, null, 1 from generate_series(1, 3) as n;
insert into campaign select n, 2, 'Campaign ' || n, 946684800, null, 1 from generate_series(1, 3) as n;
insert into skill select n, 2, 'Skill ' || n, 1 from generate_series(1, 8) as n;
insert into technical_descriptor values (1, 'Completed', 'COMPLETED', 'Unspecified', 'UNSPECIFIED', 'Received', 'RECEIVED'),
    (2, 'CustomerAbandoned', 'CUSTOMERABANDONED', 'AbandonedWhileQueued', 'ABANDONEDWHILEQUEUED', 'InMediation', 'INMEDIATION'),
    (3, 'Diverted', 'DIVERTED', 'Routed', 'ROUTED', 'InMediation', 'INMEDIATION');
insert into resource_state values (1, 'Ready', 'READY', 'Agent'), (2, 'NotReady', 'NOTREADY', 'Agent'),
    (3, 'Busy', 'BUSY', 'Agent'), (4, 'AfterCallWork', 'ACW', 'Agent');
insert into resource_state_reason values (1, 2, 'Lunch', 1), (2, 2, 'Training', 1);
insert into interaction_resource_state values (1, 'Talk', 'TALK', 'Received'), (2, 'Hold', 'HOLD', 'Received'),
    (3, 'AfterCallWork', 'WRAP', 'Received');
insert into strategy values (1, 2, 'Default', 1);
insert into routing_target values (1, 2, 'Group 1', 'Group 1.GA', 1);
insert into requested_skill_combination values (1, 2, 'Skill 1=5');
insert into requested_skill values (1, 1, 1, 5);
insert into dialing_mode values (1, 'Predictive', 'PREDICTIVE'), (2, 'Preview', 'PREVIEW');
insert into call_result values (1, 'Answer', 'ANSWER'), (2, 'Busy', 'BUSY'), (3, 'NoAnswer', 'NOANSWER');
insert into record_status values (1, 'Ready', 'READY'), (2, 'Processed', 'PROCESSED');
insert into record_type values (1, 'General', 'GENERAL'), (2, 'CampaignCallback', 'CAMPAIGNCALLBACK');
insert into interaction_descriptor values (1, 2, 'default', 'default', 'default', 'none', 1),
    (2, 2, 'Gold', 'Billing', 'Invoice', 'Resolved', 1);
insert into user_data_cust_dim_1 values (1, 2, 'none', 'none', 1);
insert into time_zone values (1, 'UTC', 0), (2, 'CET', 3600);

insert into gidb_gc_tenant values (1, 'Environment', 1, 946684800, null, 1), (101, 'Resources', 1, 946684800, null, 1);
insert into gidb_gc_switch values (101, 101, 'SwitchA', 946684800, null, 1), (102, 101, 'SwitchB', 946684800, null, 1);
insert into gidb_gc_agent select n, 101, 'agent' || n, 'E' || n, 'First' || n, 'Last' || n, 946684800, null, 1
  from generate_series(1, 40) as n;
insert into gidb_gc_group select n, 101, 'Group ' || n, 1, 946684800, null, 1 from generate_series(1, 5) as n;
insert into gidb_gc_endpoint select n, 101, 102, (7000 + n)::text, 1, 946684800, null, 1 from generate_series(1, 50) as n;
insert into gidb_gc_place select n, 101, 'place' || n, 946684800, null, 1 from generate_series(1, 40) as n;
insert into gidb_gc_skill select n, 101, 'Skill ' || n, 946684800, null, 1 from generate_series(1, 8) as n;
insert into gidb_gc_campaign select n, 101, 'Campaign ' || n, 946684800, null, 1 from generate_series(1, 3) as n;
insert into gidb_gc_calling_list select n, 101, 'List ' || n, 946684800, null, 1 from generate_series(1, 3) as n;
insert into gidb_gc_application values (101, 'GIM', 99, 946684800, null, 1);

insert into resource_group_fact_ select n, 2, n, 1 + n %% 5, 946684800, null, 1 from generate_series(1, 40) as n;
insert into resource_skill_fact_ select n, 2, n, 1 + n %% 8, 5, 946684800, null, 1 from generate_series(1, 40) as n;
insert into contact_attempt_fact
select n, 2, 1 + n %% 3, 1 + n %% 3, 1 + n %% 3, 1 + n %% 2, %(started)s - 7200 - n, %(started)s - 7000 - n,
       (%(started)s - 7200 - n) - (%(started)s - 7200 - n) %% 900, 1 from generate_series(1, 100) as n;
insert into calling_list_metric_fact select n, 2, n, n, 1000 * n, %(quarter)s - 86400, 1 from generate_series(1, 3) as n;
insert into campaign_group_session_fact select n, 2, n, n, %(started)s - 86400, %(started)s - 3600, 1
  from generate_series(1, 3) as n;
insert into campaign_group_state_fact select n, n, 2, n, %(started)s - 86400, %(started)s - 3600, 1
  from generate_series(1, 3) as n;
insert into sm_res_session_fact
select nextval('seq_sm_res_session_fact'), 2, 1, r, k + 28800, k + 57600, k + 28800, 28800, 1
  from generate_series(1, 40) as r, generate_series(%(quarter)s - %(quarter)s %% 86400 - %(days)s * 86400,
                                                   %(quarter)s - %(quarter)s %% 86400 - 86400, 86400) as k;
insert into sm_res_state_fact
select nextval('seq_sm_res_state_fact'), tenant_key, media_type_key, resource_key, 1, start_ts, end_ts,
       start_date_time_key, total_duration, 1 from sm_res_session_fact;
insert into sm_res_state_reason_fact
select n, 2, n, n, 1, %(started)s - 9000, %(started)s - 8000, %(quarter)s - 9000, 1 from generate_series(1, 40) as n;

-- Interaction n: its guid is md5('seed:' || n); oldest first, evenly over the days before now.
insert into interaction_fact
select n, 2, 1 + n %% 3, 1, n, n, guid, guid, '49' || lpad((n %% 9999999)::text, 8, '0'), (7000 + n %% 50)::text, null,
       1, start_ts, start_ts + 20 + n %% 300, start_ts - start_ts %% 900,
       (start_ts + 20 + n %% 300) - (start_ts + 20 + n %% 300) %% 900, 1, 1, 0, null
  from (select n, md5('seed:' || n) as guid,
               %(started)s - 600 - ((%(scale)s - n) * (%(days)s * 86400.0 / greatest(%(scale)s, 1)))::bigint as start_ts
          from generate_series(1::bigint, %(scale)s) as n) as calls;
insert into interaction_resource_fact
select interaction_id, 2, interaction_id, interaction_type_key, 1, 1 + interaction_id %% 40, 1, 1 + interaction_id %% 2,
       41 + interaction_id %% 10, 1, 1, end_ts - start_ts - 10, 0, 0, 5, end_ts - start_ts, start_ts, end_ts,
       start_date_time_key, end_date_time_key, 1, 1 from interaction_fact;
insert into mediation_segment_fact
select interaction_id, 2, interaction_id, interaction_type_key, 1, 41 + interaction_id %% 10, 3, interaction_id, 8,
       start_ts, start_ts + 8, start_date_time_key, start_ts + 8 - (start_ts + 8) %% 900, 1, 1 from interaction_fact;
insert into ixn_resource_state_fact
select interaction_id, 2, interaction_id, 1, start_ts, end_ts, start_date_time_key, end_ts - start_ts, 1
  from interaction_fact where interaction_id > %(scale)s - 2000;
insert into irf_user_data_gen_1
select interaction_id, start_date_time_key, 2, 'case' || interaction_id, 'customer' || interaction_id %% 1000, 1
  from interaction_fact where interaction_id > %(scale)s - 2000;
insert into irf_user_data_keys
select interaction_id, start_date_time_key, 2, 1, 1, 1 from interaction_fact where interaction_id > %(scale)s - 2000;

-- Those that GIDB still holds, all transformed.
insert into gidb_g_call_v
select nextval('seq_gidb'), media_server_ixn_guid, null, null, 1, 1, interaction_type_key, source_address,
       target_address, 101, media_server_ixn_guid, interaction_id, start_ts, end_ts, 102, %(first_source)s, 1
  from interaction_fact where interaction_id > %(scale)s - %(gidb)s;
insert into gidb_g_ir_v
select nextval('seq_gidb'), irid, irid, callid, created_ts, terminated_ts, data_source_key, 1 from gidb_g_call_v;
insert into gidb_g_party_v
select nextval('seq_gidb'), callid, callid, 1, 1 + call_number %% 40, calldnis, created_ts, terminated_ts,
       data_source_key, 1 from gidb_g_call_v;

insert into ag2_queue_subhr
select start_date_time_key, tenant_key, media_type_key, resource_key, count(*),
       count(*) filter (where technical_descriptor_key = 3), count(*) filter (where technical_descriptor_key = 2),
       sum(mediation_duration), max(mediation_duration)
  from mediation_segment_fact group by 1, 2, 3, 4;
insert into ag2_agent_subhr
select start_date_time_key, tenant_key, media_type_key, resource_key, count(*), sum(customer_talk_duration),
       sum(customer_hold_duration), sum(customer_acw_duration)
  from interaction_resource_fact group by 1, 2, 3, 4;
insert into ag2_queue_hour
select date_time_key - date_time_key %% 3600, tenant_key, media_type_key, resource_key, sum(offered), sum(accepted),
       sum(abandoned), sum(accepted_time), max(accepted_time_max) from ag2_queue_subhr group by 1, 2, 3, 4;
insert into ag2_queue_day
select date_time_key - date_time_key %% 86400, tenant_key, media_type_key, resource_key, sum(offered), sum(accepted),
       sum(abandoned), sum(accepted_time), max(accepted_time_max) from ag2_queue_hour group by 1, 2, 3, 4;
insert into ag2_agent_hour
select date_time_key - date_time_key %% 3600, tenant_key, media_type_key, resource_key, sum(accepted),
       sum(engage_time), sum(hold_time), sum(wrap_time) from ag2_agent_subhr group by 1, 2, 3, 4;
insert into ag2_agent_day
select date_time_key - date_time_key %% 86400, tenant_key, media_type_key, resource_key, sum(accepted),
       sum(engage_time), sum(hold_time), sum(wrap_time) from ag2_agent_hour group by 1, 2, 3, 4;

insert into ctl_workers values ('transform', 4, %(started)s), ('extract', 4, %(started)s);
insert into ctl_ud_to_ude_mapping values (1, 'CaseID', 'IRF_USER_DATA_GEN_1', 'CASE_ID', 1),
    (2, 'CustomerID', 'IRF_USER_DATA_GEN_1', 'CUSTOMER_ID', 1);
insert into ctl_xml_config values ('user-data', '<mapping/>', %(started)s);
insert into ctl_schema_info values ('GIM', %(release)s, %(started)s);
insert into agr_lock values ('AGGREGATION', null, null);
insert into ctl_audit_log
select nextval('seq_audit_log'), 'JOB-SEED', to_timestamp(%(started)s) at time zone 'UTC',
       to_timestamp(%(started)s) at time zone 'UTC', 1, %(quarter)s - 86400, %(quarter)s, %(started)s, 0, %(scale)s,
       %(started)s;
insert into admin_etl_job_history
values ('JOB-SEED', 'Job_InitializeGIM', to_timestamp(%(started)s) at time zone 'UTC',
        to_timestamp(%(started)s) at time zone 'UTC', 0, 'success');

-- Sequences continue above the highest key.
select setval('seq_interaction_fact', %(scale)s + 1, false), setval('seq_interaction_resource_fact', %(scale)s + 1, false),
       setval('seq_mediation_segment_fact', %(scale)s + 1, false),
       setval('seq_ixn_resource_state_fact', %(scale)s + 1, false);
