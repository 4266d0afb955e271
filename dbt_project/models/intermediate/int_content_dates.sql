-- Creation times of content that can be moderated.
select 'post' as subject_kind, post_id as subject_id, created_at from {{ ref('stg_posts') }}
union all
select 'comment', comment_id, created_at from {{ ref('stg_comments') }}
union all
select 'connector', connector_id, created_at from {{ ref('stg_connectors') }}
union all
select 'event', id, created_at from {{ ref('stg_events') }}
union all
select 'item', id, created_at from {{ ref('stg_marketplace_items') }}
union all
select 'review', id, created_at from {{ ref('stg_reviews') }}
union all
select 'seller_review', id, created_at from {{ ref('stg_seller_reviews') }}
