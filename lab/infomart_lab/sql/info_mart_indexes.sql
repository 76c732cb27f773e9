-- Keys and indexes that are made after the big tables are filled.
alter table interaction_fact add constraint pk_interaction_fact primary key (interaction_id);
alter table interaction_resource_fact add constraint pk_interaction_resource_fact
    primary key (interaction_resource_id);
alter table mediation_segment_fact add constraint pk_mediation_segment_fact primary key (mediation_segment_id);
alter table ctl_audit_log add constraint pk_ctl_audit_log primary key (audit_key);

create index i_if_sdt on interaction_fact (start_date_time_key);
create index i_if_ixn_guid on interaction_fact (media_server_ixn_guid);
create index i_irf_sdt on interaction_resource_fact (start_date_time_key);
create index i_irf_ixn on interaction_resource_fact (interaction_id);
create index i_msf_sdt on mediation_segment_fact (start_date_time_key);
create index i_msf_ixn on mediation_segment_fact (interaction_id);
create index i_irsf_irf on ixn_resource_state_fact (interaction_resource_id);
create index i_irf_ud_gen_1 on irf_user_data_gen_1 (interaction_resource_id, start_date_time_key);
create index i_sm_res_state_sdt on sm_res_state_fact (start_date_time_key);
create index i_sm_res_sess_res on sm_res_session_fact (resource_key);
create index i_resource_name on resource_ (resource_name);
create index i_dt_label_day on date_time (label_yyyy_mm_dd);
create index i_c_audit_log_ds on ctl_audit_log (data_source_key, created_ts);
create unique index i_tenant_name on tenant (tenant_name);
create index i_ag2_queue_day_res on ag2_queue_day (resource_key);

alter table resource_ add constraint fk_resource_tenant foreign key (tenant_key) references tenant (tenant_key);
alter table group_ add constraint fk_group_tenant foreign key (tenant_key) references tenant (tenant_key);
alter table resource_group_fact_ add constraint fk_rgf_resource
    foreign key (resource_key) references resource_ (resource_key);
alter table interaction_fact add constraint fk_if_media_type
    foreign key (media_type_key) references media_type (media_type_key);
