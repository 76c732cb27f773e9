-- reads: v$parameter
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, UNDO_RETENTION (seconds)
select cast(value as number) as seconds from v$parameter where name = 'undo_retention'
