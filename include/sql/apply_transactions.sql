-- reads: gv$transaction, gv$session
-- binds: username (LIKE pattern)
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$TRANSACTION, V$SESSION; program of a Replicat: replicat@host
-- Transactions that a Replicat has begun and not committed.
-- SECONDS: the clocks of a cluster's instances differ: never below 0.
select s.inst_id,
       s.sid,
       s.serial# as serial,
       s.username,
       s.program,
       t.start_time,
       greatest(round((sysdate - t.start_date) * 86400), 0) as seconds
  from gv$transaction t
  join gv$session s on s.saddr = t.ses_addr and s.inst_id = t.inst_id
 where upper(s.username) like :username
   and lower(s.program) like '%replicat%'
 order by t.start_time
