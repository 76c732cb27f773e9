-- reads: v$parameter, gv$undostat, dba_tablespaces
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, UNDO_RETENTION, V$UNDOSTAT.TUNED_UNDORETENTION (seconds that the database keeps
-- undo in truth), DBA_TABLESPACES.RETENTION (GUARANTEE: never less than UNDO_RETENTION)
select cast(p.value as number) as seconds,
       (select min(u.tuned_undoretention) from gv$undostat u where u.begin_time > sysdate - 1) as tuned,
       (select max(t.retention)
          from dba_tablespaces t
         where t.tablespace_name = (select upper(n.value) from v$parameter n where n.name = 'undo_tablespace')) as kept
  from v$parameter p
 where p.name = 'undo_retention'
