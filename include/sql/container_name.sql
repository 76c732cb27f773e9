-- reads: dual
-- binds: none
-- privilege: none
-- source: Oracle Database SQL Language Reference, SYS_CONTEXT, USERENV parameter CON_NAME (12.1 and later)
select sys_context('USERENV', 'CON_NAME') as name from dual
