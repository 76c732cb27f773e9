-- reads: dba_sequences
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_SEQUENCES; last_number is the next value that is not yet cached
-- Sequences of identity columns (ISEQ$$_<object id>) are left out: they belong to their table, see identity_columns.
select sequence_name, last_number, increment_by, cache_size, min_value, max_value, cycle_flag
  from dba_sequences
 where sequence_owner = :owner
   and sequence_name not like 'ISEQ$$%'
 order by sequence_name
