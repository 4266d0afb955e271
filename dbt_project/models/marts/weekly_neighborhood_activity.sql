select
    date_trunc('week', activity.activity_date)::date as week_start,
    homes.country,
    homes.state,
    homes.city,
    homes.neighborhood,
    count(distinct activity.user_id) as active_users,
    {% for kind, name in {
        'click': 'clicks', 'join': 'joins', 'post': 'posts', 'like': 'likes', 'comment': 'comments', 'follow': 'follows'
    }.items() %}
    count(*) filter (where activity.kind = '{{ kind }}') as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from {{ ref('fct_activity') }} as activity
inner join {{ ref('int_user_versions') }} as homes
    on homes.user_id = activity.user_id
    and {{ is_valid_at('homes', 'activity.occurred_at') }}
where activity.kind not in ('impression', 'register')
  and not activity.is_retracted
  and homes.neighborhood is not null
group by 1, 2, 3, 4, 5
having {{ has_minimum_group('activity.user_id') }}
