-- reads: v$recovery_file_dest
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, V$RECOVERY_FILE_DEST; bytes; no row, or a limit of 0: there is none
select name, space_limit, space_used, space_reclaimable from v$recovery_file_dest
