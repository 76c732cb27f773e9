-- Job_MaintainGIM: 15-minute intervals after the last one. Psycopg parameters: after, until (UTC epoch).
insert into date_time
select k, k - k %% 1800, k - k %% 3600, k - k %% 86400, extract(epoch from date_trunc('week', t))::bigint,
       extract(epoch from date_trunc('month', t))::bigint, k + 900, date_trunc('day', t), to_char(t, 'FMDay'),
       to_char(t, 'FMMonth'), extract(isodow from t), extract(day from t), extract(doy from t),
       extract(month from t), extract(year from t), extract(hour from t), extract(minute from t),
       to_char(t, 'YYYY'), to_char(t, 'YYYY-MM'), to_char(t, 'YYYY-MM-DD'), to_char(t, 'YYYY-MM-DD HH24'),
       to_char(t, 'YYYY-MM-DD HH24:MI') || '-' || to_char(t + interval '15 minutes', 'HH24:MI'), 1
  from (select k, to_timestamp(k) at time zone 'UTC' as t
          from generate_series(%(after)s::bigint + 900, %(until)s::bigint, 900) as k) as intervals
    on conflict do nothing
