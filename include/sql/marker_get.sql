-- reads: {{ schema }}.DR_MARKER
-- binds: marker_id
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
select marker_id, site, scn, written_at from {{ schema }}.dr_marker where marker_id = :marker_id
