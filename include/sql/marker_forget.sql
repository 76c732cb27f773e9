-- reads: changes {{ schema }}.DR_MARKER
-- binds: marker_id
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- GoldenGate carries the delete too (from 12c on): only a row that has been seen at the target may go.
delete from {{ schema }}.dr_marker where marker_id = :marker_id
