-- reads: recompiles the invalid objects of the schema
-- binds: owner
-- privilege: owner of the Info Mart's schema
-- source: Oracle Database PL/SQL Packages and Types Reference, DBMS_UTILITY.COMPILE_SCHEMA
-- False: valid objects stay untouched. What cannot be compiled stays invalid and raises nothing.
begin dbms_utility.compile_schema(:owner, false); end;
