{#
-- reads: enables a trigger of the database
-- binds: none
-- privilege: CREATE TRIGGER and ADMINISTER DATABASE TRIGGER (both in IMP_FULL_DATABASE)
-- source: Database PL/SQL Language Reference 19c, 9.12 Trigger Enabling and Disabling
-- Rendered by infomart_dr.statements.enable_trigger, once the trigger is VALID.
#}
alter trigger {{ owner }}.{{ trigger }} enable
