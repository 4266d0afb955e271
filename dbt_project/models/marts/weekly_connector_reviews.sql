with votes as (
    select review_id, count(*) as helpful_votes
    from {{ ref('stg_review_votes') }} as votes
    where {{ is_included('votes.user_id') }}
    group by review_id
)

select
    date_trunc('week', reviews.created_at at time zone 'UTC')::date as week_start,
    reviews.connector_id,
    count(*) as reviews,
    count(*) filter (where not reviews.is_active) as removed,
    count(*) filter (where reviews.state = 'hidden') as hidden,
    avg(reviews.rating) filter (where reviews.is_active and reviews.state = 'visible')::double precision as mean_rating,
    coalesce(sum(votes.helpful_votes), 0)::bigint as helpful_votes
from {{ ref('stg_reviews') }} as reviews
left join votes on votes.review_id = reviews.id
where {{ is_included('reviews.reviewer_id') }}
group by 1, 2
