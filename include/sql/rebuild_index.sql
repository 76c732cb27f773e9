{#
-- reads: rebuilds an index of the schema, or a partition of it
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: Oracle Database SQL Language Reference, ALTER INDEX
-- Rendered by infomart_dr.statements.rebuild_index, with quoted names. An import does not rebuild an UNUSABLE index.
#}
alter index {{ owner }}.{{ index }} rebuild{{ which }}
