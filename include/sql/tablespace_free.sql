-- reads: dba_data_files, dba_free_space
-- binds: tablespace_name
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_FREE_SPACE; bytes
select f.tablespace_name,
       f.bytes,
       f.max_bytes,
       nvl(s.free_bytes, 0) as free_bytes
  from (select tablespace_name,
               sum(bytes) as bytes,
               sum(case when autoextensible = 'YES' then maxbytes else bytes end) as max_bytes
          from dba_data_files
         group by tablespace_name) f
  left join (select tablespace_name, sum(bytes) as free_bytes
               from dba_free_space
              group by tablespace_name) s on s.tablespace_name = f.tablespace_name
 where f.tablespace_name = :tablespace_name
