-- Tables that the guide excludes from replication (lines 440 to 562) and that the lab's server really uses.
-- schema.py makes the rest of the list, with the columns common to each kind.
create table gidb_g_call_v (
    id bigint primary key, callid varchar(50) not null, parentcallid varchar(50), mergecallid varchar(50),
    state smallint not null, mediatype smallint not null, calltype smallint not null, callani varchar(255),
    calldnis varchar(255), tenantid bigint not null, irid varchar(50) not null, call_number bigint not null,
    created_ts bigint not null, terminated_ts bigint not null, gsys_domain bigint not null,
    data_source_key bigint not null, create_audit_key bigint not null
);
create index i_g_call_v_ds_ts on gidb_g_call_v (data_source_key, created_ts);
create table gidb_g_ir_v (
    id bigint primary key, irid varchar(50) not null, rootirid varchar(50) not null, callid varchar(50) not null,
    created_ts bigint not null, terminated_ts bigint not null, data_source_key bigint not null,
    create_audit_key bigint not null
);
create index i_g_ir_v_ds_ts on gidb_g_ir_v (data_source_key, terminated_ts);
create table gidb_g_party_v (
    id bigint primary key, partyid varchar(50) not null, callid varchar(50) not null, type smallint not null,
    agentid bigint, endpointdn varchar(255), created_ts bigint not null, terminated_ts bigint not null,
    data_source_key bigint not null, create_audit_key bigint not null
);
create index i_g_party_v_ds_ts on gidb_g_party_v (data_source_key, terminated_ts);
create table g_call (
    callid varchar(50) primary key, created_ts bigint not null, data_source_key bigint not null
);
create table g_ir (irid varchar(50) primary key, callid varchar(50) not null, created_ts bigint not null);
create table g_is_link (linkid varchar(50) primary key, callid varchar(50) not null, created_ts bigint not null);
create table agr_notification (
    notification_id bigint primary key, table_name varchar(30) not null, date_time_key bigint not null,
    tenant_key bigint not null, created_ts bigint not null
);
create table agr_junk_notification (
    notification_id bigint primary key, table_name varchar(30) not null, date_time_key bigint not null,
    created_ts bigint not null
);
create table agr_lock (lock_name varchar(64) primary key, owner varchar(255), locked_ts bigint);
create table stg_sm_res_state_fact_v (
    id bigint primary key, resource_key bigint not null, start_ts bigint not null, end_ts bigint not null
);
create table stg_transform_discards (
    table_name varchar(30) not null, row_id bigint not null, code integer not null, created_ts bigint not null
);
create table stg_idb_fk_violation (
    table_name varchar(30) not null, row_id bigint not null, ref_table_name varchar(30) not null,
    created_ts bigint not null
);
create table tmp_call_keys (
    id bigint not null, interaction_id bigint not null, irf_id bigint not null, msf_id bigint not null,
    data_source_key bigint not null, callid varchar(50) not null, call_number bigint not null,
    calltype smallint not null, callani varchar(255), calldnis varchar(255), start_ts bigint not null,
    end_ts bigint not null, agentid bigint not null
);
create table ctl_transform_history (
    job_id varchar(64) not null, job_version varchar(32) not null, hwm_name varchar(64) not null,
    hwm_value bigint not null, transform_start_time timestamp(0) not null, transform_end_time timestamp(0),
    row_count bigint not null, created_ts bigint not null
);
create index i_c_transf_hist_hwm on ctl_transform_history (hwm_name, hwm_value);
create table ctl_extract_history (
    table_name varchar(30) not null, data_source_key bigint not null, data_source_type smallint not null,
    row_count bigint not null, max_time timestamp(0), max_ts bigint, icon_dbid bigint, dss_id bigint,
    providertag integer, extract_start_time timestamp(0) not null, extract_end_time timestamp(0),
    job_id varchar(64) not null, job_name varchar(64) not null, job_version varchar(32) not null,
    dap_name varchar(255) not null, create_audit_key bigint not null, created_ts bigint not null
);
create index i_c_extr_hist_ds on ctl_extract_history (data_source_key, created_ts);
create table ctl_purge_history (
    job_id varchar(64) not null, table_name varchar(30) not null, row_count bigint not null,
    purge_ts bigint not null, created_ts bigint not null
);
create table ctl_schema_info (
    schema_name varchar(64) primary key, schema_version varchar(32) not null, created_ts bigint not null
);
