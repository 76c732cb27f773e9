-- reads: changes the sequence {{ schema }}.{{ sequence }}
-- binds: none
-- privilege: owner of the schema, or DROP ANY SEQUENCE
-- source: guide, Setting Up Replication, import step 8
-- Only when the dump set has arrived whole and its manifest is proven. ISEQ$$_ sequences of identity
-- columns refuse it (ORA-32794).
drop sequence {{ schema }}.{{ sequence }}
