{{ config(indexes=[{'columns': ['connector_id'], 'unique': true}]) }}

with members as (
    select connector_id, count(*) as members from {{ ref('stg_connector_members') }} group by connector_id
),

posts as (
    select
        connector_id,
        count(*) as posts,
        sum(likes) as likes,
        sum(comments) as comments,
        max(created_at) as last_post_at
    from {{ ref('fct_posts') }}
    group by connector_id
),

visits as (
    select item_id as connector_id, count(*) as visits, count(distinct user_id) as visitors
    from {{ ref('fct_activity') }}
    where item_kind = 'connector' and kind in ('visit', 'click')
    group by item_id
)

select
    connectors.connector_id,
    connectors.name,
    connectors.category,
    {{ if_included('connectors.founder_id') }} as founder_id,
    connectors.is_public,
    connectors.is_active,
    connectors.created_at,
    coalesce(members.members, 0) as members,
    coalesce(posts.posts, 0) as posts,
    coalesce(posts.likes, 0)::bigint as likes,
    coalesce(posts.comments, 0)::bigint as comments,
    coalesce(visits.visits, 0) as visits,
    coalesce(visits.visitors, 0) as visitors,
    posts.last_post_at
from {{ ref('stg_connectors') }} as connectors
left join members using (connector_id)
left join posts using (connector_id)
left join visits using (connector_id)
