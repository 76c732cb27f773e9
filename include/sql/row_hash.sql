{#
-- reads: {{ schema }}.{{ table }}
-- binds: none
-- privilege: owner of the schema, or SELECT on the table
-- source: comparison of two sites
-- Rendered by infomart_dr.statements.row_hash with quoted names.
-- Each column is hashed as text of its type, independent of the session's NLS settings. The hashes are joined in parts,
-- so that no text passes VARCHAR2's limit (ORA-01489); a NULL counts as 0 and so never drops its row from the sum.
#}
{% macro text(column, data_type, number) %}
{% if data_type == 'DATE' %}
to_char({{ column }}, 'YYYY-MM-DD HH24:MI:SS')
{%- elif data_type.startswith('TIMESTAMP') and 'TIME ZONE' in data_type %}
to_char({{ column }} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.FF9')
{%- elif data_type.startswith('TIMESTAMP') %}
to_char({{ column }}, 'YYYY-MM-DD HH24:MI:SS.FF9')
{%- elif data_type == 'RAW' %}
rawtohex({{ column }})
{%- elif data_type in ('CLOB', 'NCLOB') %}
dbms_lob.getlength({{ column }}) || ':' || ora_hash({{ charset('dbms_lob.substr(' ~ column ~ ', ' ~ piece ~ ', 1)') }})
{%- elif data_type == 'BLOB' %}
dbms_lob.getlength({{ column }}) || ':' || rawtohex(dbms_lob.substr({{ column }}, {{ piece }}, 1))
{%- elif data_type in ('VARCHAR2', 'CHAR', 'NVARCHAR2', 'NCHAR') %}
{{ charset('substr(' ~ column ~ ', ' ~ (number * piece + 1) ~ ', ' ~ piece ~ ')') if convert else column }}
{%- else %}
to_char({{ column }}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')
{%- endif %}
{% endmacro %}
{% macro charset(text) %}
{{ "convert(" ~ text ~ ", 'AL32UTF8')" if convert else text }}
{%- endmacro %}
{% macro joined(part) %}
{% for column, data_type, number in part %}
         {{ "|| '|' || " if not loop.first }}cast(nvl(ora_hash(
{{- text(column, data_type, number) }}), 0) as varchar2(10))
{% endfor %}
{% endmacro %}
select count(*) as row_count,
{% if not parts %}
       0 as row_hash
{% else %}
       nvl(sum(ora_hash(
{% for part in parts %}
{% if parts | length == 1 %}
{{ joined(part) }}
{%- else %}
         {{ "|| '|' || " if not loop.first }}cast(ora_hash(
{{ joined(part) }}         ) as varchar2(10))
{% endif %}
{% endfor %}
       )), 0) as row_hash
{% endif %}
  from {{ schema }}.{{ table }}
