-- reads: dba_triggers
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TRIGGERS
-- trigger_body is a LONG. base_object_type is TABLE, VIEW, SCHEMA or DATABASE. Objects in the recycle bin are left out.
select trigger_name, table_name, base_object_type, status, trigger_body
  from dba_triggers
 where owner = :owner
   and trigger_name not like 'BIN$%'
 order by trigger_name
