-- Job_AggregateGIM for the 15-minute intervals from_key <= DATE_TIME_KEY < to_key; both lie on whole days or
-- whole intervals. Hours and days are summed up from the intervals below them.
delete from ag2_queue_subhr where date_time_key >= %(from_key)s and date_time_key < %(to_key)s;
insert into ag2_queue_subhr
select start_date_time_key, tenant_key, media_type_key, resource_key, count(*),
       count(*) filter (where technical_descriptor_key = 3), count(*) filter (where technical_descriptor_key = 2),
       sum(mediation_duration), max(mediation_duration)
  from mediation_segment_fact where start_date_time_key >= %(from_key)s and start_date_time_key < %(to_key)s
 group by 1, 2, 3, 4;
delete from ag2_agent_subhr where date_time_key >= %(from_key)s and date_time_key < %(to_key)s;
insert into ag2_agent_subhr
select start_date_time_key, tenant_key, media_type_key, resource_key, count(*), sum(customer_talk_duration),
       sum(customer_hold_duration), sum(customer_acw_duration)
  from interaction_resource_fact where start_date_time_key >= %(from_key)s and start_date_time_key < %(to_key)s
 group by 1, 2, 3, 4;

delete from ag2_queue_hour where date_time_key >= %(from_hour)s and date_time_key < %(to_hour)s;
insert into ag2_queue_hour
select date_time_key - date_time_key %% 3600, tenant_key, media_type_key, resource_key, sum(offered), sum(accepted),
       sum(abandoned), sum(accepted_time), max(accepted_time_max)
  from ag2_queue_subhr where date_time_key >= %(from_hour)s and date_time_key < %(to_hour)s group by 1, 2, 3, 4;
delete from ag2_queue_day where date_time_key >= %(from_day)s and date_time_key < %(to_day)s;
insert into ag2_queue_day
select date_time_key - date_time_key %% 86400, tenant_key, media_type_key, resource_key, sum(offered), sum(accepted),
       sum(abandoned), sum(accepted_time), max(accepted_time_max)
  from ag2_queue_hour where date_time_key >= %(from_day)s and date_time_key < %(to_day)s group by 1, 2, 3, 4;
delete from ag2_agent_hour where date_time_key >= %(from_hour)s and date_time_key < %(to_hour)s;
insert into ag2_agent_hour
select date_time_key - date_time_key %% 3600, tenant_key, media_type_key, resource_key, sum(accepted),
       sum(engage_time), sum(hold_time), sum(wrap_time)
  from ag2_agent_subhr where date_time_key >= %(from_hour)s and date_time_key < %(to_hour)s group by 1, 2, 3, 4;
delete from ag2_agent_day where date_time_key >= %(from_day)s and date_time_key < %(to_day)s;
insert into ag2_agent_day
select date_time_key - date_time_key %% 86400, tenant_key, media_type_key, resource_key, sum(accepted),
       sum(engage_time), sum(hold_time), sum(wrap_time)
  from ag2_agent_hour where date_time_key >= %(from_day)s and date_time_key < %(to_day)s group by 1, 2, 3, 4;
