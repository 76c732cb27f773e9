-- reads: dba_sequences
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SEQUENCES; last_number is the next value that is not yet cached
select sequence_name, last_number, increment_by, cache_size, min_value, max_value, cycle_flag
  from dba_sequences
 where sequence_owner = :owner
 order by sequence_name
