-- reads: recompiles the invalid objects of the schema
-- binds: owner
-- privilege: owner of the Info Mart's schema
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_UTILITY.COMPILE_SCHEMA
-- False: valid objects stay untouched. An object that cannot be compiled stays invalid, without an error.
begin dbms_utility.compile_schema(:owner, false); end;
