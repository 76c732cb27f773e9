{#
-- reads: drops a trigger of the database
-- binds: none
-- privilege: CREATE TRIGGER and ADMINISTER DATABASE TRIGGER (both in IMP_FULL_DATABASE)
-- source: Database PL/SQL Language Reference 19c, DROP TRIGGER Statement
-- Rendered by infomart_dr.statements.drop_trigger. A trigger of another user needs DROP ANY TRIGGER.
#}
drop trigger {{ owner }}.{{ trigger }}
