-- reads: makes {{ schema }}.DR_PURGE_JOB
-- binds: none
-- privilege: CREATE TABLE, and quota, of the user of the IDB's connection
-- source: the procedures' own record
-- Times are UTC. CHANGES counts the records, so that no run removes a row that another run has just changed.
create table {{ schema }}.dr_purge_job (
  deployment varchar2(40) not null,
  site varchar2(40) not null,
  idb varchar2(40) not null,
  job varchar2(500) not null,
  was_enabled varchar2(1) not null,
  memory varchar2(1000),
  held_since timestamp not null,
  changes number(10) not null,
  enabled_again number(10) not null,
  enabled_again_at timestamp,
  constraint dr_purge_job_pk primary key (deployment, site, idb, job)
)
