-- Tables of an Interaction Database that the lab's ICON writes. Run with search_path set to the schema.
-- CREATED_TS of G_CALL is the second in which ICON had the whole call; both ICONs of an HA pair write the same.
create table g_call (
    id bigint primary key, callid varchar(50) not null, parentcallid varchar(50), mergecallid varchar(50),
    state smallint not null, mediatype smallint not null, calltype smallint not null, callani varchar(255),
    calldnis varchar(255), tenantid bigint not null, irid varchar(50) not null, created timestamp(0) not null,
    created_ts bigint not null, terminated timestamp(0) not null, terminated_ts bigint not null,
    gsys_domain bigint not null
);
create index idx_g_call_cts on g_call (created_ts);
create table g_ir (
    id bigint primary key, irid varchar(50) not null, rootirid varchar(50) not null, callid varchar(50) not null,
    created_ts bigint not null, terminated_ts bigint not null
);
create index idx_g_ir_tts on g_ir (terminated_ts);
create table g_party (
    id bigint primary key, partyid varchar(50) not null, callid varchar(50) not null, type smallint not null,
    agentid bigint, endpointdn varchar(255), created_ts bigint not null, terminated_ts bigint not null
);
create index idx_g_party_tts on g_party (terminated_ts);
create table g_dss_gcc_provider (
    dss_id bigint primary key, icon_dbid bigint not null, ds_dbid bigint not null, dsconn_stime bigint,
    dsconn_etime bigint, icon_stime bigint, icon_etime bigint, fevent_itime bigint, levent_itime bigint
);
-- Number of the spool's calls that are in this IDB; updated in the transaction that writes the calls.
create table lab_icon_checkpoint (calls bigint not null);
insert into lab_icon_checkpoint values (0);
