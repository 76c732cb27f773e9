{#
-- reads: {{ schema }}.{{ table }}
-- binds: none
-- privilege: owner of the schema, or SELECT on the table
-- source: comparison of two sites
-- Rendered by infomart_dr.statements.row_hash, which validates the names and leaves LOB columns out.
-- Each column is hashed as text of its type and the hashes are joined, so that a row never passes
-- VARCHAR2's limit (ORA-01489); a NULL counts as 0 and so never drops its row from the sum.
#}
{% macro text(column, data_type) %}
{% if data_type == 'DATE' %}
to_char({{ column }}, 'YYYY-MM-DD HH24:MI:SS')
{%- elif data_type.startswith('TIMESTAMP') and 'TIME ZONE' in data_type %}
to_char({{ column }} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.FF6')
{%- elif data_type.startswith('TIMESTAMP') %}
to_char({{ column }}, 'YYYY-MM-DD HH24:MI:SS.FF6')
{%- elif data_type == 'RAW' %}
rawtohex({{ column }})
{%- elif data_type in ('VARCHAR2', 'CHAR', 'NVARCHAR2', 'NCHAR') %}
{{ column }}
{%- else %}
cast({{ column }} as varchar2(64))
{%- endif %}
{% endmacro %}
select count(*) as row_count,
       nvl(sum(ora_hash(
{% for column, data_type in columns %}
         {{ "|| '|' || " if not loop.first }}cast(nvl(ora_hash({{ text(column, data_type) }}), 0) as varchar2(10))
{% endfor %}
       )), 0) as row_hash
  from {{ schema }}.{{ table }}
