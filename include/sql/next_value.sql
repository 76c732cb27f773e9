-- reads: {{ schema }}.{{ sequence }}, of which it takes a value
-- binds: none
-- privilege: owner of the schema, or SELECT on the sequence
-- source: Oracle Database SQL Language Reference, Sequence Pseudocolumns
select {{ schema }}.{{ sequence }}.nextval as taken from dual
