-- reads: session_privs
-- binds: none
-- privilege: none: shows the session's own
-- source: Oracle Database Reference, SESSION_PRIVS
select privilege from session_privs order by privilege
