"""Feature views: history in the offline store, latest rows, and materialization to the online store.

``compute.compute_days`` computes daily partitions, ``compute.compute_latest`` the latest rows of every view, and
``materialize.materialize`` copies new rows to the online store.
"""
