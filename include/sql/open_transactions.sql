-- reads: gv$transaction, gv$session
-- binds: before_scn
-- privilege: SELECT_CATALOG_ROLE
-- source: GoldenGate instantiation order (My Oracle Support 1347191.1)
-- A transaction without a session (recovered, in doubt) is listed too: it counts for the gate as well.
select t.inst_id,
       s.sid,
       s.serial# as serial,
       s.username,
       s.program,
       s.machine,
       s.status,
       s.last_call_et as idle_seconds,
       t.start_time,
       t.start_scn,
       t.used_ublk
  from gv$transaction t
  left join gv$session s on s.saddr = t.ses_addr and s.inst_id = t.inst_id
 where t.start_scn < :before_scn
 order by t.start_scn
