-- reads: dba_triggers, dba_objects
-- binds: trigger_name
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_TRIGGERS, DBA_OBJECTS
-- trigger_body is a LONG. triggering_event of a logon trigger is LOGON with a blank behind it.
select t.owner, t.status, o.status as validity, t.trigger_body
  from dba_triggers t
  join dba_objects o on o.owner = t.owner and o.object_name = t.trigger_name and o.object_type = 'TRIGGER'
 where t.trigger_name = :trigger_name
   and t.base_object_type = 'DATABASE'
   and t.triggering_event like 'LOGON%'
 order by t.owner
