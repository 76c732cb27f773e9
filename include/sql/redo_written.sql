-- reads: v$archived_log
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$ARCHIVED_LOG; one row a destination, so each log of each thread counts once
-- Redo of the last day, in bytes, and the seconds in which it was written.
select nvl(sum(w.bytes), 0) as bytes,
       nvl((max(w.next_time) - min(w.first_time)) * 86400, 0) as seconds
  from (select max(l.blocks * l.block_size) as bytes, min(l.first_time) as first_time, max(l.next_time) as next_time
          from v$archived_log l
         where l.first_time > sysdate - 1
         group by l.thread#, l.sequence#) w
