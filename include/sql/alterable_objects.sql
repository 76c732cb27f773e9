-- reads: user_tab_privs_recd
-- binds: none
-- privilege: none: shows the session's own
-- source: Oracle Database Reference, USER_TAB_PRIVS_RECD: object privileges that the user was granted directly; objects
-- of the scheduler are among them
select owner, table_name as object_name from user_tab_privs_recd where privilege in ('ALTER', 'ALL') order by 1, 2
