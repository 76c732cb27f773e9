{#
-- reads: drops an object of the schema that is not a table
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: Oracle Database Utilities, impdp: an object that exists and is not a table stays as it is (ORA-31684)
-- Rendered by infomart_dr.statements.drop_object, with quoted names. Run by the owner.
#}
drop {{ kind }} {{ schema }}.{{ item }}
