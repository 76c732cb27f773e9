-- reads: session_roles
-- binds: none
-- privilege: none: shows the session's own
-- source: Oracle Database Reference, SESSION_ROLES; roles that come with another role are shown too
select role from session_roles order by role
