-- reads: gv$session
-- binds: username, program (LIKE pattern)
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$SESSION
select inst_id, sid, serial# as serial, username, program, machine, status, logon_time
  from gv$session
 where username = :username
   and lower(program) like lower(:program)
 order by inst_id, sid
