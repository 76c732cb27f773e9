-- reads: {{ schema }}.DR_MARKER
-- binds: site, pattern
-- privilege: owner of GoldenGate's schema
-- source: the procedures' own record
-- The site is the one that wrote them; asked_at is this database's clock.
select marker_id, written_at, sys_extract_utc(systimestamp) as asked_at
  from {{ schema }}.dr_marker
 where site = :site
   and marker_id like :pattern
 order by written_at, marker_id
