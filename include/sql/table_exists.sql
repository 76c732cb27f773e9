-- reads: all_tables
-- binds: owner, table_name
-- privilege: none: shows what the session may see
-- source: Oracle Database Reference, ALL_TABLES
select count(*) as found from all_tables where owner = :owner and table_name = :table_name
