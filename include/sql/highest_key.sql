-- reads: {{ schema }}.{{ table }}
-- binds: none
-- privilege: owner of the schema, or SELECT on the table
-- source: proof that no sequence lies below a key in use
select max({{ column }}) as highest from {{ schema }}.{{ table }}
