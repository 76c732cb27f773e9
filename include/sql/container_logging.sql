-- reads: dba_pdbs
-- binds: none
-- privilege: SELECT_CATALOG_ROLE
-- source: Oracle Database Reference, DBA_PDBS.FORCE_LOGGING (12.1.0.2 and later); no row outside a pluggable database
select force_logging
  from dba_pdbs
 where pdb_id = sys_context('USERENV', 'CON_ID')
