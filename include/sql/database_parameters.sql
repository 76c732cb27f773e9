-- reads: v$parameter
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, initialization parameters; sizes in bytes
select name, value
  from v$parameter
 where name in ('compatible', 'streams_pool_size', 'sga_target', 'memory_target')
