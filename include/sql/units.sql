-- reads: dba_source
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SOURCE: packages, procedures, functions, types and their bodies, line by line
-- Triggers are in triggers. Objects in the recycle bin are left out.
select name, type, line, text
  from dba_source
 where owner = :owner
   and type <> 'TRIGGER'
   and name not like 'BIN$%'
   and name not like 'SYS_PLSQL%'
 order by name, type, line
