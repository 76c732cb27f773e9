-- reads: changes the sequence {{ schema }}.{{ sequence }}
-- binds: none
-- privilege: owner of the schema, or DROP ANY SEQUENCE
-- source: guide, Setting Up Replication, import step 8
-- Only after the whole dump set has arrived and its manifest is proven. ISEQ$$_ sequences of identity
-- columns refuse it (ORA-32794).
drop sequence {{ schema }}.{{ sequence }}
