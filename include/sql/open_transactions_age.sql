-- reads: gv$transaction, gv$session
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$TRANSACTION; START_DATE is the database host's local time, as SYSDATE
-- SECONDS: the clocks of a cluster's instances differ: never below 0.
select s.sid,
       s.username,
       s.program,
       s.machine,
       s.status,
       s.last_call_et as idle_seconds,
       t.start_time,
       greatest((sysdate - t.start_date) * 86400, 0) as seconds
  from gv$transaction t
  left join gv$session s on s.saddr = t.ses_addr and s.inst_id = t.inst_id
 order by t.start_date
