-- reads: makes {{ schema }}.DR_LEDGER
-- binds: none
-- privilege: CREATE TABLE, and quota, of GoldenGate's schema
-- source: the procedures' own record
create table {{ schema }}.dr_ledger (
  deployment varchar2(40) not null,
  plan_id varchar2(250) not null,
  name varchar2(100) not null,
  value varchar2(4000),
  noted_at timestamp not null,
  constraint dr_ledger_pk primary key (deployment, plan_id, name)
)
