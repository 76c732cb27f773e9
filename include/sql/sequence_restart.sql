{#
-- reads: changes the sequence {{ schema }}.{{ sequence }}
-- binds: none (DDL takes none; the start is written as a whole number)
-- privilege: owner of the schema, or ALTER ANY SEQUENCE
-- source: Oracle Database SQL Language Reference, ALTER SEQUENCE (18c and later)
-- Rendered by infomart_dr.statements.sequence_restart. Earlier releases have no RESTART: there one value is taken with
-- another increment (sequence_options, next_value), which keeps the grants that a drop would lose.
#}
alter sequence {{ schema }}.{{ sequence }} restart start with {{ start | int }}
