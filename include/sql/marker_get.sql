-- reads: {{ schema }}.DR_MARKER
-- binds: marker_id
-- privilege: owner of GoldenGate's schema; before 12c a DBA with SELECT ANY TABLE
-- source: the procedures' own record
select marker_id, site, scn, written_at from {{ schema }}.dr_marker where marker_id = :marker_id
