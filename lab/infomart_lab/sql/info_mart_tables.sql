-- The Info Mart's replicated tables, in the Oracle names' lower case. Run with search_path set to the schema.
-- Columns come from the physical data models of Genesys Info Mart; tables whose columns the lab does
-- not need have only the first of them. A create table begins its line: schema.py finds the names by it.

-- Sequences ------------------------------------------------------------------------------------------------
create sequence seq_interaction_fact;
create sequence seq_interaction_resource_fact;
create sequence seq_mediation_segment_fact;
create sequence seq_ixn_resource_state_fact;
create sequence seq_sm_res_session_fact;
create sequence seq_sm_res_state_fact;
create sequence seq_gidb;
create sequence seq_audit_log;
create sequence seq_etl_job;
create sequence seq_agr_notification;
create sequence seq_agr_pending_request;
create sequence seq_resource;

-- Dimensions -----------------------------------------------------------------------------------------------
create table date_time (
    date_time_key bigint primary key,
    date_time_30min_key bigint not null,
    date_time_hour_key bigint not null,
    date_time_day_key bigint not null,
    date_time_week_key bigint not null,
    date_time_month_key bigint not null,
    date_time_next_key bigint not null,
    cal_date timestamp(0) not null,
    cal_day_name varchar(32) not null,
    cal_month_name varchar(32) not null,
    cal_day_num_in_week smallint not null,
    cal_day_num_in_month smallint not null,
    cal_day_num_in_year smallint not null,
    cal_month_num_in_year smallint not null,
    cal_year_num integer not null,
    cal_hour_num_in_day smallint not null,
    cal_minute_num_in_hour smallint not null,
    label_yyyy varchar(4) not null,
    label_yyyy_mm varchar(7) not null,
    label_yyyy_mm_dd varchar(10) not null,
    label_yyyy_mm_dd_hh varchar(13) not null,
    label_yyyy_mm_dd_hh_15int varchar(32) not null,
    create_audit_key bigint not null
);
create table tenant (
    tenant_key bigint primary key, tenant_name varchar(255) not null, tenant_cfg_dbid bigint not null,
    start_ts bigint not null, end_ts bigint, create_audit_key bigint not null
);
create table media_type (
    media_type_key bigint primary key, media_name varchar(64) not null, media_name_code varchar(32) not null,
    is_online smallint not null, create_audit_key bigint not null
);
create table interaction_type (
    interaction_type_key bigint primary key, interaction_type varchar(64) not null,
    interaction_type_code varchar(32) not null, interaction_subtype varchar(64) not null,
    interaction_subtype_code varchar(32) not null, ignore smallint not null default 0
);
create table resource_ (
    resource_key bigint primary key, tenant_key bigint not null, resource_type varchar(64) not null,
    resource_type_code varchar(32) not null, resource_subtype varchar(64), resource_name varchar(255) not null,
    resource_alias varchar(255), search_name varchar(255), agent_first_name varchar(64),
    agent_last_name varchar(64), employee_id varchar(255), source_resource_key bigint not null,
    gmt_start_time timestamp(0) not null, gmt_end_time timestamp(0), create_audit_key bigint not null
);
create table group_ (
    group_key bigint primary key, tenant_key bigint not null, group_name varchar(255) not null,
    group_type varchar(64) not null, group_type_code varchar(32) not null, group_cfg_dbid bigint not null,
    create_audit_key bigint not null
);
create table place (
    place_key bigint primary key, tenant_key bigint not null, place_name varchar(255) not null,
    create_audit_key bigint not null
);
create table calling_list (
    calling_list_key bigint primary key, tenant_key bigint not null, calling_list_name varchar(255) not null,
    start_ts bigint not null, end_ts bigint, create_audit_key bigint not null
);
create table campaign (
    campaign_key bigint primary key, tenant_key bigint not null, campaign_name varchar(255) not null,
    start_ts bigint not null, end_ts bigint, create_audit_key bigint not null
);
create table skill (
    skill_key bigint primary key, tenant_key bigint not null, skill_name varchar(255) not null,
    create_audit_key bigint not null
);
create table technical_descriptor (
    technical_descriptor_key bigint primary key, technical_result varchar(64) not null,
    technical_result_code varchar(32) not null, result_reason varchar(64) not null,
    result_reason_code varchar(32) not null, resource_role varchar(64) not null,
    resource_role_code varchar(32) not null
);
create table resource_state (
    resource_state_key bigint primary key, state_name varchar(64) not null, state_name_code varchar(32) not null,
    state_type varchar(64) not null
);
create table resource_state_reason (
    resource_state_reason_key bigint primary key, tenant_key bigint not null,
    state_reason_name varchar(255) not null, create_audit_key bigint not null
);
create table interaction_resource_state (
    interaction_resource_state_key bigint primary key, state_name varchar(64) not null,
    state_name_code varchar(32) not null, state_role varchar(64) not null
);
create table strategy (
    strategy_key bigint primary key, tenant_key bigint not null, strategy_name varchar(255) not null,
    create_audit_key bigint not null
);
create table routing_target (
    routing_target_key bigint primary key, tenant_key bigint not null, agent_group_name varchar(255),
    target_object_selected varchar(255) not null, create_audit_key bigint not null
);
create table requested_skill (
    requested_skill_key bigint primary key, requested_skill_combination_key bigint not null,
    skill_key bigint not null, skill_level integer not null
);
create table requested_skill_combination (
    requested_skill_combination_key bigint primary key, tenant_key bigint not null,
    skill_combination_string varchar(255) not null
);
create table dialing_mode (
    dialing_mode_key bigint primary key, dialing_mode varchar(64) not null, dialing_mode_code varchar(32) not null
);
create table call_result (
    call_result_key bigint primary key, call_result varchar(64) not null, call_result_code varchar(32) not null
);
create table record_status (
    record_status_key bigint primary key, record_status varchar(64) not null,
    record_status_code varchar(32) not null
);
create table record_type (
    record_type_key bigint primary key, record_type varchar(64) not null, record_type_code varchar(32) not null
);
create table interaction_descriptor (
    interaction_descriptor_key bigint primary key, tenant_key bigint not null, customer_segment varchar(255),
    service_type varchar(255), service_subtype varchar(255), business_result varchar(255),
    create_audit_key bigint not null
);
create table user_data_cust_dim_1 (
    id bigint primary key, tenant_key bigint not null, dim_attribute_1 varchar(255) not null,
    dim_attribute_2 varchar(255) not null, create_audit_key bigint not null
);
create table time_zone (
    time_zone_key bigint primary key, name_abbr varchar(32) not null, gmt_offset integer not null
);

-- Configuration history (GIDB_GC_*: replicated, unlike the other GIDB tables) --------------------------------
create table gidb_gc_tenant (id bigint primary key, name varchar(255) not null, state smallint not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_switch (id bigint primary key, tenantid bigint not null, name varchar(255) not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_agent (id bigint primary key, tenantid bigint not null, username varchar(255) not null,
    employeeid varchar(64) not null, firstname varchar(64), lastname varchar(64), created_ts bigint not null,
    deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_group (id bigint primary key, tenantid bigint not null, name varchar(255) not null,
    type smallint not null, created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_endpoint (id bigint primary key, tenantid bigint not null, switchid bigint not null,
    dn varchar(255) not null, type smallint not null, created_ts bigint not null, deleted_ts bigint,
    create_audit_key bigint not null);
create table gidb_gc_place (id bigint primary key, tenantid bigint not null, name varchar(255) not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_skill (id bigint primary key, tenantid bigint not null, name varchar(255) not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_campaign (id bigint primary key, tenantid bigint not null, name varchar(255) not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_calling_list (id bigint primary key, tenantid bigint not null, name varchar(255) not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);
create table gidb_gc_application (id bigint primary key, name varchar(255) not null, type integer not null,
    created_ts bigint not null, deleted_ts bigint, create_audit_key bigint not null);

-- Facts ----------------------------------------------------------------------------------------------------
create table interaction_fact (
    interaction_id bigint not null,
    tenant_key bigint not null,
    interaction_type_key bigint not null,
    media_type_key bigint not null,
    media_server_root_ixn_id numeric(20) not null,
    media_server_ixn_id numeric(20) not null,
    media_server_root_ixn_guid varchar(50) not null,
    media_server_ixn_guid varchar(50) not null,
    source_address varchar(255),
    target_address varchar(255),
    subject varchar(255),
    status smallint not null,
    start_ts bigint not null,
    end_ts bigint not null,
    start_date_time_key bigint not null,
    end_date_time_key bigint not null,
    create_audit_key bigint not null,
    update_audit_key bigint not null,
    active_flag smallint not null default 0,
    purge_flag smallint
);
create table interaction_resource_fact (
    interaction_resource_id bigint not null,
    tenant_key bigint not null,
    interaction_id bigint not null,
    interaction_type_key bigint not null,
    media_type_key bigint not null,
    resource_key bigint not null,
    technical_descriptor_key bigint not null,
    interaction_descriptor_key bigint not null,
    last_queue_resource_key bigint not null,
    interaction_resource_ordinal smallint not null,
    customer_talk_count smallint not null,
    customer_talk_duration integer not null,
    customer_hold_count smallint not null,
    customer_hold_duration integer not null,
    customer_acw_duration integer not null,
    total_duration integer not null,
    start_ts bigint not null,
    end_ts bigint not null,
    start_date_time_key bigint not null,
    end_date_time_key bigint not null,
    create_audit_key bigint not null,
    update_audit_key bigint not null
);
create table mediation_segment_fact (
    mediation_segment_id bigint not null,
    tenant_key bigint not null,
    interaction_id bigint not null,
    interaction_type_key bigint not null,
    media_type_key bigint not null,
    resource_key bigint not null,
    technical_descriptor_key bigint not null,
    target_ixn_resource_id bigint,
    mediation_duration integer not null,
    start_ts bigint not null,
    end_ts bigint not null,
    start_date_time_key bigint not null,
    end_date_time_key bigint not null,
    create_audit_key bigint not null,
    update_audit_key bigint not null
);
create table ixn_resource_state_fact (
    ixn_resource_state_fact_key bigint primary key, tenant_key bigint not null,
    interaction_resource_id bigint not null, interaction_resource_state_key bigint not null,
    start_ts bigint not null, end_ts bigint not null, start_date_time_key bigint not null,
    total_duration integer not null, create_audit_key bigint not null
);
create table irf_user_data_gen_1 (
    interaction_resource_id bigint not null, start_date_time_key bigint not null, tenant_key bigint not null,
    case_id varchar(255), customer_id varchar(255), create_audit_key bigint not null
);
create table irf_user_data_keys (
    interaction_resource_id bigint primary key, start_date_time_key bigint not null, tenant_key bigint not null,
    interaction_descriptor_key bigint not null, custom_key_1 bigint not null, create_audit_key bigint not null
);
create table sm_res_session_fact (
    sm_res_session_fact_key bigint primary key, tenant_key bigint not null, media_type_key bigint not null,
    resource_key bigint not null, start_ts bigint not null, end_ts bigint not null,
    start_date_time_key bigint not null, total_duration integer not null, create_audit_key bigint not null
);
create table sm_res_state_fact (
    sm_res_state_fact_key bigint primary key, tenant_key bigint not null, media_type_key bigint not null,
    resource_key bigint not null, resource_state_key bigint not null, start_ts bigint not null,
    end_ts bigint not null, start_date_time_key bigint not null, total_duration integer not null,
    create_audit_key bigint not null
);
create table sm_res_state_reason_fact (
    sm_res_state_reason_fact_key bigint primary key, tenant_key bigint not null, resource_key bigint not null,
    sm_res_state_fact_key bigint not null, resource_state_reason_key bigint not null, start_ts bigint not null,
    end_ts bigint not null, start_date_time_key bigint not null, create_audit_key bigint not null
);
create table contact_attempt_fact (
    contact_attempt_fact_key bigint primary key, tenant_key bigint not null, campaign_key bigint not null,
    calling_list_key bigint not null, call_result_key bigint not null, dialing_mode_key bigint not null,
    start_ts bigint not null, end_ts bigint not null, start_date_time_key bigint not null,
    create_audit_key bigint not null
);
create table calling_list_metric_fact (
    calling_list_metric_fact_key bigint primary key, tenant_key bigint not null, campaign_key bigint not null,
    calling_list_key bigint not null, total_records integer not null, start_date_time_key bigint not null,
    create_audit_key bigint not null
);
create table campaign_group_session_fact (
    camp_group_session_fact_key bigint primary key, tenant_key bigint not null, campaign_key bigint not null,
    group_key bigint not null, start_ts bigint not null, end_ts bigint not null, create_audit_key bigint not null
);
create table campaign_group_state_fact (
    camp_group_state_fact_key bigint primary key, camp_group_session_fact_key bigint not null,
    tenant_key bigint not null, group_key bigint not null, start_ts bigint not null, end_ts bigint not null,
    create_audit_key bigint not null
);
create table resource_group_fact_ (
    resource_group_fact_key bigint primary key, tenant_key bigint not null, resource_key bigint not null,
    group_key bigint not null, start_ts bigint not null, end_ts bigint, create_audit_key bigint not null
);
create table resource_skill_fact_ (
    resource_skill_fact_key bigint primary key, tenant_key bigint not null, resource_key bigint not null,
    skill_key bigint not null, skill_level integer not null, start_ts bigint not null, end_ts bigint,
    create_audit_key bigint not null
);

-- Control --------------------------------------------------------------------------------------------------
create table ctl_audit_log (
    audit_key bigint not null, job_id varchar(64) not null, created timestamp(0) not null,
    inserted timestamp(0) not null, processing_status_key integer not null, min_start_date_time_key bigint,
    max_start_date_time_key bigint, max_chunk_ts bigint, data_source_key bigint not null,
    row_count bigint not null, created_ts bigint not null
);
create table ctl_ds (
    data_source_key bigint primary key, data_source_name varchar(255) not null, data_source_type smallint not null,
    ds_dbid bigint not null, created_ts bigint not null
);
create table ctl_extract_hwm (
    table_name varchar(30) not null, data_source_key bigint not null, max_ts bigint not null
);
create table ctl_workers (
    worker_name varchar(64) primary key, worker_threads integer not null, created_ts bigint not null
);
create table ctl_ud_to_ude_mapping (
    id bigint primary key, ud_key_name varchar(255) not null, ude_table varchar(30) not null,
    ude_column varchar(30) not null, active_flag smallint not null
);
create table ctl_xml_config (
    config_key varchar(64) primary key, config_text text not null, created_ts bigint not null
);
create table admin_etl_job_history (
    job_id varchar(64) not null, job_name varchar(64) not null, start_time timestamp(0) not null,
    end_time timestamp(0), duration integer, status varchar(32) not null
);

-- Aggregates -----------------------------------------------------------------------------------------------
create table ag2_queue_subhr (
    date_time_key bigint not null, tenant_key bigint not null, media_type_key bigint not null,
    resource_key bigint not null, offered bigint not null, accepted bigint not null, abandoned bigint not null,
    accepted_time bigint not null, accepted_time_max bigint not null,
    primary key (date_time_key, tenant_key, media_type_key, resource_key)
);
create table ag2_queue_hour (like ag2_queue_subhr, primary key (date_time_key, tenant_key, media_type_key, resource_key));
create table ag2_queue_day (like ag2_queue_subhr, primary key (date_time_key, tenant_key, media_type_key, resource_key));
create table ag2_agent_subhr (
    date_time_key bigint not null, tenant_key bigint not null, media_type_key bigint not null,
    resource_key bigint not null, accepted bigint not null, engage_time bigint not null, hold_time bigint not null,
    wrap_time bigint not null,
    primary key (date_time_key, tenant_key, media_type_key, resource_key)
);
create table ag2_agent_hour (like ag2_agent_subhr, primary key (date_time_key, tenant_key, media_type_key, resource_key));
create table ag2_agent_day (like ag2_agent_subhr, primary key (date_time_key, tenant_key, media_type_key, resource_key));
-- A table of the lab only, filled by its GIMAgg: the pending tables of RAA are not published.
create table agr_pending_request (
    request_id bigint primary key default nextval('seq_agr_pending_request'), from_ts bigint not null,
    to_ts bigint not null, requested_at timestamp(0) not null default now()
);

-- Views and the trigger ------------------------------------------------------------------------------------
create view admin_audit_log as
    select audit_key, job_id, created, inserted, processing_status_key, min_start_date_time_key,
           max_start_date_time_key, max_chunk_ts, data_source_key, row_count, created_ts
      from ctl_audit_log;
create view agent_ as
    select resource_key, tenant_key, resource_name, agent_first_name, agent_last_name, employee_id
      from resource_ where resource_type_code = 'AGENT';

create function trg_resource_search_name_fn() returns trigger language plpgsql as $$
begin
    new.search_name := upper(new.resource_name);
    return new;
end $$;
create trigger trg_resource_search_name before insert or update on resource_
    for each row execute function trg_resource_search_name_fn();
