-- reads: gv$session
-- binds: username, program (LIKE pattern)
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$SESSION
-- SECONDS: since the logon, by the database's clock. The clocks of a cluster's instances differ: never below 0.
select inst_id, sid, serial# as serial, username, program, machine, status, logon_time,
       greatest((sysdate - logon_time) * 86400, 0) as seconds
  from gv$session
 where username = :username
   and lower(program) like lower(:program)
 order by inst_id, sid
