-- reads: user_tab_privs_recd
-- binds: owner
-- privilege: none: shows the session's own
-- source: Oracle Database Reference, USER_TAB_PRIVS_RECD: object privileges that the user was granted directly
select table_name, privilege
  from user_tab_privs_recd
 where owner = :owner
   and privilege in ('INSERT', 'UPDATE', 'DELETE', 'SELECT')
