-- reads: {{ schema }}.{{ table }}
-- binds: none
-- privilege: owner of the schema, or SELECT on the table
-- source: proof that no descending sequence lies above a key in use
select min({{ column }}) as lowest from {{ schema }}.{{ table }}
