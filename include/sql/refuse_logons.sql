{#
-- reads: creates or replaces a trigger of the database, disabled
-- binds: none
-- privilege: CREATE TRIGGER and ADMINISTER DATABASE TRIGGER (both in IMP_FULL_DATABASE)
-- source: Database PL/SQL Language Reference 19c, 9.8 Exception Handling in Triggers; CREATE TRIGGER Statement
-- Rendered by infomart_dr.statements.refuse_logons. A trigger AFTER LOGON ON SCHEMA never refuses the schema's owner
-- (9.8), therefore ON DATABASE. Disabled: an invalid trigger that is enabled would refuse everybody (ORA-04098).
-- An error of the comparison refuses nobody.
#}
create or replace trigger {{ owner }}.{{ trigger }} after logon on database disable
declare
  machine varchar2(256);
  address varchar2(256);
  refused pls_integer := 0;
begin
  begin
    if sys_context('USERENV', 'SESSION_USER') = '{{ schema }}' then
      machine := upper(regexp_replace(sys_context('USERENV', 'HOST'), '^.*\\|/.*$', ''));
      address := sys_context('USERENV', 'IP_ADDRESS');
      if {{ conditions | join('\n        or ') }} then
        refused := 1;
      end if;
    end if;
  exception
    when others then refused := 0;
  end;
  if refused = 1 then
    raise_application_error(-20911, '{{ message }}');
  end if;
end;
