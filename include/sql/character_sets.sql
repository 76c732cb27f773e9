-- reads: nls_database_parameters
-- binds: none
-- privilege: none
-- source: Oracle Database Reference, NLS_DATABASE_PARAMETERS
select parameter, value
  from nls_database_parameters
 where parameter in ('NLS_CHARACTERSET', 'NLS_NCHAR_CHARACTERSET')
