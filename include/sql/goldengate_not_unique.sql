-- reads: dba_goldengate_not_unique
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_GOLDENGATE_NOT_UNIQUE (11.2.0.4, 12.1 and later); BAD_COLUMN: a column of the
-- table, such as a LOB, cannot be part of the key that all columns make
select table_name, bad_column
  from dba_goldengate_not_unique
 where owner = :owner
 order by table_name
