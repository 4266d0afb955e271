{{ config(indexes=[{'columns': ['user_id'], 'unique': true}]) }}

with activity as (
    select
        user_id,
        min(occurred_at) filter (where kind <> 'register') as first_active_at,
        max(occurred_at) filter (where kind <> 'register') as last_active_at,
        count(distinct activity_date) filter (where kind <> 'register') as active_days,
        count(*) filter (where kind = 'post') as posts,
        count(*) filter (where kind = 'comment') as comments,
        count(*) filter (where kind = 'like') as likes_given,
        count(*) filter (where kind = 'click') as clicks
    from {{ ref('fct_activity') }}
    where not is_retracted
    group by user_id
),

memberships as (
    select user_id, count(*) as connectors from {{ ref('stg_connector_members') }} group by user_id
),

followers as (
    select followee_id as user_id, count(*) as followers from {{ ref('stg_follows') }} group by followee_id
),

following as (
    select follower_id as user_id, count(*) as following from {{ ref('stg_follows') }} group by follower_id
)

select
    users.user_id,
    users.username,
    users.neighborhood,
    users.city,
    users.state,
    users.country,
    users.interests,
    users.is_verified,
    users.reputation,
    users.is_active,
    users.registered_at,
    activity.first_active_at,
    activity.last_active_at,
    coalesce(activity.active_days, 0) as active_days,
    coalesce(memberships.connectors, 0) as connectors,
    coalesce(activity.posts, 0) as posts,
    coalesce(activity.comments, 0) as comments,
    coalesce(activity.likes_given, 0) as likes_given,
    coalesce(activity.clicks, 0) as clicks,
    coalesce(followers.followers, 0) as followers,
    coalesce(following.following, 0) as following
from {{ ref('stg_users') }} as users
left join activity using (user_id)
left join memberships using (user_id)
left join followers using (user_id)
left join following using (user_id)
where {{ is_included('users.user_id') }}
