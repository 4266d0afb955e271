"""SQL over the lake, the marts, staging and the features with DuckDB.

::

    from pipelines.query.session import connect

    connection = connect()
    connection.sql("SELECT city, count(*) FROM marts.dim_users GROUP BY city").pl()
"""
