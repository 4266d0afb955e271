{{ config(indexes=[{'columns': ['post_id'], 'unique': true}, {'columns': ['connector_id']}]) }}

with reactions as (
    select
        item_id as post_id,
        count(*) filter (where kind = 'like') as likes,
        count(*) filter (where kind = 'comment') as comments,
        count(*) filter (where kind = 'impression') as impressions,
        count(*) filter (where kind = 'click') as clicks,
        count(*) filter (where kind = 'hide') as hides,
        count(distinct user_id) filter (where kind in ('like', 'comment', 'click')) as engaged_users
    from {{ ref('fct_activity') }}
    where item_kind = 'post' and not is_retracted
    group by item_id
)

select
    posts.post_id,
    posts.connector_id,
    {{ if_included('posts.author_id') }} as author_id,
    versions.category,
    posts.title,
    length(posts.content) as content_length,
    posts.media_count > 0 as has_image,
    posts.is_active,
    posts.created_at,
    coalesce(reactions.likes, 0) as likes,
    coalesce(reactions.comments, 0) as comments,
    coalesce(reactions.impressions, 0) as impressions,
    coalesce(reactions.clicks, 0) as clicks,
    coalesce(reactions.hides, 0) as hides,
    coalesce(reactions.engaged_users, 0) as engaged_users,
    reactions.clicks::double precision / nullif(reactions.impressions, 0) as click_through
from {{ ref('stg_posts') }} as posts
left join reactions using (post_id)
left join {{ ref('int_connector_versions') }} as versions
    on versions.connector_id = posts.connector_id
    and {{ is_valid_at('versions', 'posts.created_at') }}
