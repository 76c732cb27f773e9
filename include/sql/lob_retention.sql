-- reads: dba_lobs
-- binds: owner
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_LOBS: PCTVERSION keeps old versions by space and not by time; RETENTION of a
-- BasicFile LOB is the UNDO_RETENTION of the time at which it was set
select table_name, column_name, pctversion, retention, securefile
  from dba_lobs
 where owner = :owner
   and table_name not like 'BIN$%'
 order by table_name, column_name
