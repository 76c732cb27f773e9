-- reads: dba_data_files, v$parameter
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_DATA_FILES; bytes to which the undo tablespace may grow
select f.tablespace_name,
       sum(case when f.autoextensible = 'YES' then f.maxbytes else f.bytes end) as max_bytes
  from dba_data_files f
 where f.tablespace_name = (select upper(p.value) from v$parameter p where p.name = 'undo_tablespace')
 group by f.tablespace_name
