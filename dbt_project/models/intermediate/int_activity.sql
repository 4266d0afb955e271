-- One row per act of a user, from all sources.
select
    interaction_id as activity_id, kind, user_id, item_kind, item_id, request_id, position, dwell_ms,
    occurred_at, false as is_retracted, event_id, committed_at
from {{ ref('stg_interactions') }}
union all
select
    like_id, 'like', user_id, 'post', post_id, null::uuid, null::bigint, null::bigint,
    created_at, false, event_id, committed_at
from {{ ref('stg_post_likes') }}
union all
select
    comment_id, 'comment', author_id, 'post', post_id, null, null, null,
    created_at, false, event_id, committed_at
from {{ ref('stg_comments') }}
union all
select
    membership_id, 'join', user_id, 'connector', connector_id, null, null, null,
    joined_at, false, event_id, committed_at
from {{ ref('stg_connector_members') }}
union all
select
    post_id, 'post', author_id, 'connector', connector_id, null, null, null,
    created_at, false, event_id, committed_at
from {{ ref('stg_posts') }}
union all
select
    follow_id, 'follow', follower_id, 'user', followee_id, null, null, null,
    created_at, false, event_id, committed_at
from {{ ref('stg_follows') }}
union all
select
    user_id, 'register', user_id, 'user', user_id, null, null, null,
    registered_at, false, event_id, committed_at
from {{ ref('stg_users') }}
{% for act in var('act_tables') %}
union all
select
    id, '{{ act.kind }}', {{ act.user }}, '{{ act.item_kind }}', {{ act.item }}, null, null, null,
    {{ act.at }}, false, change_event_id, committed_at
from {{ ref('stg_' ~ act.table) }}
where {{ act.is_current }}
{% endfor %}
union all
select
    activity_id, kind, null, null, null, null, null, null,
    null, true, event_id, committed_at
from {{ ref('int_retractions') }}
