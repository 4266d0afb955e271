"""The warehouse: the dbt project and its models as assets."""
