-- The audit of one site, in one snapshot. Temporary tables: audit_journal (guid, data_source_key,
-- created_ts), audit_other (guid, copies): interactions of the table that are not a seeded row in its own place.
analyze audit_journal;
analyze audit_other;
create temporary table audit_call on commit drop as
select guid, min(created_ts) as created_ts, min(data_source_key) as data_source_key
  from audit_journal group by guid;
analyze audit_call;
create temporary table audit_found on commit drop as
select coalesce(c.guid, o.guid) as guid, c.created_ts, c.data_source_key, coalesce(o.copies, 0) as copies,
       c.guid is not null as journaled
  from audit_call as c full join audit_other as o on o.guid = c.guid
 where c.guid is null or o.guid is null or o.copies > 1;
analyze audit_found;
