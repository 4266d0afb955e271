-- Names and categories of connectors over time.
{{ versions_of(ref('connector_history'), 'connector_id', ['name', 'category']) }}
