-- reads: dba_segments
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SEGMENTS; bytes
select nvl(sum(bytes), 0) as bytes, count(*) as segments from dba_segments where owner = :owner
