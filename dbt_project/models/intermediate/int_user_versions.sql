-- Homes of users over time.
{{ versions_of(ref('user_profile_history'), 'user_id', ['neighborhood', 'city', 'state', 'country']) }}
