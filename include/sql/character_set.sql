-- reads: nls_database_parameters
-- binds: none
-- privilege: none
-- source: Oracle Database Reference, NLS_DATABASE_PARAMETERS
select value as character_set
  from nls_database_parameters
 where parameter = 'NLS_CHARACTERSET'
