-- reads: v$undostat, dba_tablespaces, v$parameter
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$UNDOSTAT: UNDOBLKS are undo blocks consumed, a row every ten minutes
-- Undo of the last day, in bytes, and the seconds in which it was written.
select nvl(sum(u.undoblks * t.block_size), 0) as bytes,
       nvl((max(u.end_time) - min(u.begin_time)) * 86400, 0) as seconds
  from v$undostat u
  cross join dba_tablespaces t
 where u.begin_time > sysdate - 1
   and t.tablespace_name = (select upper(p.value) from v$parameter p where p.name = 'undo_tablespace')
