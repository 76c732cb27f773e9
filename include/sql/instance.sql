-- reads: gv$instance
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$INSTANCE
select inst_id, instance_name, host_name, version, status, round((sysdate - startup_time) * 86400) as seconds_up
  from gv$instance
 order by inst_id
