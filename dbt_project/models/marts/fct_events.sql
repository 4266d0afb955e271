{{ config(indexes=[{'columns': ['event_id'], 'unique': true}]) }}

with responses as (
    select
        attendees.event_id,
        count(*) filter (where attendees.status = 'attending') as attending,
        coalesce(sum(attendees.guests) filter (where attendees.status = 'attending'), 0)::bigint as guests,
        count(*) filter (where attendees.status = 'maybe') as undecided,
        count(*) filter (where attendees.status = 'declined') as declined,
        count(*) filter (where attendees.status = 'waiting') as waiting,
        count(*) filter (
            where attendees.status = 'declined'
              and attendees.joined_at < events.start_date - interval '{{ var("late_withdrawal") }}'
              and attendees.committed_at >= events.start_date - interval '{{ var("late_withdrawal") }}'
        ) as late_withdrawals
    from {{ ref('stg_event_attendees') }} as attendees
    inner join {{ ref('stg_events') }} as events on events.id = attendees.event_id
    where {{ is_included('attendees.user_id') }}
    group by attendees.event_id
)

select
    events.id as event_id,
    events.connector_id,
    versions.name as connector_name,
    versions.category,
    events.created_at,
    events.start_date as starts_at,
    events.end_date as ends_at,
    not events.is_active as is_canceled,
    events.max_attendees as capacity,
    coalesce(responses.attending, 0) as attending,
    coalesce(responses.guests, 0) as guests,
    coalesce(responses.undecided, 0) as undecided,
    coalesce(responses.declined, 0) as declined,
    coalesce(responses.waiting, 0) as waiting,
    coalesce(responses.late_withdrawals, 0) as late_withdrawals,
    (coalesce(responses.attending, 0) + coalesce(responses.guests, 0))::double precision / events.max_attendees
        as occupancy
from {{ ref('stg_events') }} as events
left join responses on responses.event_id = events.id
left join {{ ref('int_connector_versions') }} as versions
    on versions.connector_id = events.connector_id
    and {{ is_valid_at('versions', 'events.start_date') }}
