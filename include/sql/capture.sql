-- reads: dba_capture
-- binds: extract
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_CAPTURE; an integrated Extract's capture is named OGG$CAP_<group>
select capture_name, client_name, first_scn, start_scn, status
  from dba_capture
 where capture_name = 'OGG$CAP_' || :extract
