-- reads: dba_objects
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_OBJECTS
-- Objects in the recycle bin are left out.
select object_type, count(*) as object_count
  from dba_objects
 where owner = :owner
   and object_type <> 'LOB'
   and object_name not like 'BIN$%'
 group by object_type
 order by object_type
