{# Versions of the public profiles. The post hook deletes all versions of users who were excluded since. #}
{% snapshot user_profile_history %}
{{ config(
    unique_key='user_id',
    strategy='check',
    check_cols=['username', 'neighborhood', 'city', 'state', 'country', 'interests'],
    updated_at='committed_at',
    post_hook="{{ delete_excluded_users() }}",
) }}

select
    users.user_id,
    users.username,
    users.neighborhood,
    users.city,
    users.state,
    users.country,
    users.interests,
    users.committed_at
from {{ ref('stg_users') }} as users
where {{ is_included('users.user_id') }}

{% endsnapshot %}
