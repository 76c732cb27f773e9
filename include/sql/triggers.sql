-- reads: dba_triggers
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TRIGGERS
-- Objects in the recycle bin are left out.
select trigger_name, table_name, trigger_type, triggering_event, status
  from dba_triggers
 where owner = :owner
   and trigger_name not like 'BIN$%'
 order by trigger_name
