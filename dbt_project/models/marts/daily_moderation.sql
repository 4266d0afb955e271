with opened as (
    select
        (opened_at at time zone 'UTC')::date as day,
        count(*) as opened,
        count(*) filter (where is_detected_by_model) as opened_by_model,
        sum(reports)::bigint as reports
    from {{ ref('fct_moderation_cases') }}
    group by 1
),

decided as (
    select
        (decided_at at time zone 'UTC')::date as day,
        count(*) as decided,
        {% for outcome, name in {
            'keep': 'kept', 'label': 'labeled', 'hide': 'hidden', 'remove': 'removed', 'suspend': 'suspended'
        }.items() %}
        count(*) filter (where outcome = '{{ outcome }}') as {{ name }},
        {% endfor %}
        percentile_cont(0.5) within group (order by hours_to_decision) as median_hours_to_decision,
        percentile_cont(0.95) within group (order by hours_to_decision) as p95_hours_to_decision
    from {{ ref('fct_moderation_cases') }}
    where decided_at is not null
    group by 1
),

appealed as (
    select (appealed_at at time zone 'UTC')::date as day, count(*) as appeals
    from {{ ref('fct_moderation_cases') }}
    where appealed_at is not null
    group by 1
),

appeals_decided as (
    select
        (appeal_decided_at at time zone 'UTC')::date as day,
        count(*) filter (where appeal_state = 'upheld') as appeals_upheld,
        count(*) filter (where appeal_state = 'overturned') as appeals_overturned
    from {{ ref('fct_moderation_cases') }}
    where appeal_decided_at is not null
    group by 1
)

select
    day,
    coalesce(opened.opened, 0) as opened,
    coalesce(opened.opened_by_model, 0) as opened_by_model,
    coalesce(opened.reports, 0) as reports,
    {% for name in ['decided', 'kept', 'labeled', 'hidden', 'removed', 'suspended'] %}
    coalesce(decided.{{ name }}, 0) as {{ name }},
    {% endfor %}
    (
        sum(coalesce(opened.opened, 0)) over (order by day) - sum(coalesce(decided.decided, 0)) over (order by day)
    )::bigint as open_at_end,
    decided.median_hours_to_decision,
    decided.p95_hours_to_decision,
    coalesce(appealed.appeals, 0) as appeals,
    coalesce(appeals_decided.appeals_upheld, 0) as appeals_upheld,
    coalesce(appeals_decided.appeals_overturned, 0) as appeals_overturned
from opened
full join decided using (day)
full join appealed using (day)
full join appeals_decided using (day)
