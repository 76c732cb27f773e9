-- reads: {{ schema }}.CTL_AUDIT_LOG
-- binds: none
-- privilege: owner of the Info Mart's schema
-- source: docs.genesys.com GIM 8.5.0 PDMPostgre View-ADMIN_AUDIT_LOG; CREATED_TS in UTC seconds
-- Time at which the server wrote the last transaction of this database: it ran then.
select max(a.created_ts) as created_ts from {{ schema }}.ctl_audit_log a
