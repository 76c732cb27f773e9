-- reads: v$archived_log
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$ARCHIVED_LOG; one row a destination, so only the first one counts
-- Redo of the last day, in bytes, and the seconds in which it was written.
select nvl(sum(l.blocks * l.block_size), 0) as bytes,
       nvl((max(l.next_time) - min(l.first_time)) * 86400, 0) as seconds
  from v$archived_log l
 where l.first_time > sysdate - 1
   and l.dest_id = 1
