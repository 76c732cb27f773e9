-- reads: makes {{ schema }}.DR_PURGE_HOLD
-- binds: none
-- privilege: CREATE TABLE, and quota, of the user of the IDB's connection
-- source: the procedures' own record
-- Times are UTC. A hold with neither end is a plan's, which gives it one at its own end. CHANGES counts its ends, so
-- that no run releases it by an old end; END_ASKED_AT is the time of the request whose run set the end.
create table {{ schema }}.dr_purge_hold (
  deployment varchar2(40) not null,
  site varchar2(40) not null,
  idb varchar2(40) not null,
  hold_id varchar2(300) not null,
  owner varchar2(250) not null,
  ticket varchar2(100),
  reason varchar2(1000),
  placed_at timestamp not null,
  begins_at timestamp not null,
  ends_at timestamp,
  until_site varchar2(40),
  until_time timestamp,
  end_asked_at timestamp,
  changes number(10) not null,
  released_at timestamp,
  released_by varchar2(250),
  released_why varchar2(1000),
  constraint dr_purge_hold_pk primary key (deployment, site, idb, hold_id)
)
