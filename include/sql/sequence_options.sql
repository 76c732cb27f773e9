{#
-- reads: changes the sequence {{ schema }}.{{ sequence }}
-- binds: none
-- privilege: owner of the schema, or ALTER ANY SEQUENCE
-- source: Oracle Database SQL Language Reference, ALTER SEQUENCE
-- Rendered by infomart_dr.statements.sequence_options. The database drops values cached in memory, so that LAST_NUMBER
-- is the next value. Grants on the sequence stay.
#}
alter sequence {{ schema }}.{{ sequence }} {{ options }}
