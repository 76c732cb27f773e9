-- reads: dba_directories
-- binds: directory
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_DIRECTORIES
select directory_name, directory_path from dba_directories where directory_name = :directory
