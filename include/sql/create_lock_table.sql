-- reads: makes {{ schema }}.DR_LOCK
-- binds: none
-- privilege: CREATE TABLE, and quota, of GoldenGate's schema
-- source: the procedures' own record
create table {{ schema }}.dr_lock (
  deployment varchar2(40) not null,
  plan_id varchar2(250) not null,
  owner varchar2(250) not null,
  reason varchar2(1000),
  taken_at timestamp not null,
  heartbeat_at timestamp not null,
  constraint dr_lock_pk primary key (deployment)
)
