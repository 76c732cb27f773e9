-- reads: {{ schema }}.{{ table }}, the checkpoint table
-- binds: none
-- privilege: owner of GoldenGate's schema
-- source: Using Oracle GoldenGate for Oracle Database, Checkpoint Tables
-- CURRENT_DIR is GoldenGate's home: several homes may share one table.
select group_name, current_dir from {{ schema }}.{{ table }}
