-- reads: v$parameter
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, ENABLE_GOLDENGATE_REPLICATION (11.2.0.4, 12.1.0.2 and later); no row before them
select value from v$parameter where name = 'enable_goldengate_replication'
