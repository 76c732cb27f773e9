-- reads: dba_goldengate_support_mode
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_GOLDENGATE_SUPPORT_MODE (11.2.0.4, 12.1 and later); FULL and ID KEY are
-- captured, INTERNAL is kept by the database itself
select object_name as table_name, support_mode
  from dba_goldengate_support_mode
 where owner = :owner
   and support_mode not in ('FULL', 'ID KEY', 'INTERNAL')
 order by object_name
