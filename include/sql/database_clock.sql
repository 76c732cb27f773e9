-- reads: dual
-- binds: none
-- privilege: none
-- source: Oracle Database SQL Language Reference, SYSTIMESTAMP; UTC
select sys_extract_utc(systimestamp) as utc from dual
