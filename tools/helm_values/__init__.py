"""Values of the Helm chart as models, from which ``values.schema.json`` is generated."""
