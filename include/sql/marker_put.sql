-- reads: changes {{ schema }}.DR_MARKER
-- binds: marker_id, site, scn
-- privilege: owner of GoldenGate's schema; before 12c a DBA with INSERT ANY TABLE, whom EXCLUDEUSER does not name
-- source: the procedures' own record
insert into {{ schema }}.dr_marker (marker_id, site, scn, written_at)
values (:marker_id, :site, :scn, sys_extract_utc(systimestamp))
