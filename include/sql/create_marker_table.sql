-- reads: makes {{ schema }}.DR_MARKER
-- binds: none
-- privilege: CREATE TABLE, and quota, of GoldenGate's schema
-- source: the procedures' own record
-- GoldenGate carries this table: a marker's arrival at the target proves the position.
create table {{ schema }}.dr_marker (
  marker_id varchar2(250) not null,
  site varchar2(40) not null,
  scn number,
  written_at timestamp not null,
  constraint dr_marker_pk primary key (marker_id)
)
