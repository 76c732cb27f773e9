-- reads: changes {{ schema }}.DR_PURGE_HOLD
-- binds: deployment, site, idb, hold_id, owner, ticket, reason, begins_at, ends_at, until_site, until_time
-- privilege: owner of the schema
-- source: the procedures' own record
-- ORA-00001: the hold is placed already.
insert into {{ schema }}.dr_purge_hold
       (deployment, site, idb, hold_id, owner, ticket, reason, placed_at, begins_at, ends_at, until_site, until_time,
        changes)
values (:deployment, :site, :idb, :hold_id, :owner, :ticket, :reason, sys_extract_utc(systimestamp), :begins_at,
        :ends_at, :until_site, :until_time, 0)
