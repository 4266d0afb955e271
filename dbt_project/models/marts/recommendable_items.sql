{{ config(indexes=[{'columns': ['item_kind', 'created_at']}]) }}

select
    'post' as item_kind,
    posts.post_id as item_id,
    {{ if_not_erased('posts.author_id') }} as owner_id,
    posts.connector_id,
    connectors.category,
    concat_ws(E'\n', posts.title, posts.content) as text,
    posts.created_at
from {{ ref('stg_posts') }} as posts
inner join {{ ref('stg_connectors') }} as connectors using (connector_id)
where posts.is_active and connectors.is_active and connectors.is_public
union all
select
    'connector',
    connector_id,
    {{ if_not_erased('founder_id') }},
    connector_id,
    category,
    concat_ws(E'\n', name, category, description),
    created_at
from {{ ref('stg_connectors') }}
where is_active and is_public
