-- reads: dba_capture, v$archived_log
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_CAPTURE: redo from REQUIRED_CHECKPOINT_SCN on must be kept
-- Captures of GoldenGate, and the age in seconds of the oldest archived log that each still needs.
select c.capture_name,
       c.status,
       c.required_checkpoint_scn,
       (select (sysdate - min(l.first_time)) * 86400
          from v$archived_log l
         where l.next_change# > c.required_checkpoint_scn and l.deleted = 'NO') as held_seconds
  from dba_capture c
 where c.capture_name like 'OGG$%'
