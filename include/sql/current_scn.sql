-- reads: v$database
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: guide, Setting Up Replication, export step 2
-- Every call takes a new SCN: record it once, and never ask twice for the same plan.
select current_scn from v$database
