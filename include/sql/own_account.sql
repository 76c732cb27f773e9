-- reads: user_users
-- binds: none
-- privilege: none: shows the session's own user
-- source: Oracle Database Reference, USER_USERS; EXPIRY_DATE is when the password expires, or has expired, in the local
-- time of the database's host, as SYSDATE
select username, account_status, expiry_date, default_tablespace, sysdate as time_there from user_users
