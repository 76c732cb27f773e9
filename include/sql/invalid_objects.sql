-- reads: dba_objects
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_OBJECTS
-- Objects in the recycle bin are left out.
select object_type, object_name
  from dba_objects
 where owner = :owner
   and status = 'INVALID'
   and object_name not like 'BIN$%'
 order by object_type, object_name
