-- reads: {{ schema }}.{{ table }}
-- binds: none
-- privilege: owner of the schema, or SELECT on the table
-- source: comparison of two sites
select count(*) as row_count from {{ schema }}.{{ table }}
