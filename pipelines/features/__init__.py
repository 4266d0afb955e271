"""Features with their inputs and outputs: read the lake, transform, write the offline tables, materialize.

``compute``: ``compute_<view>(settings, day=…)`` for a day's partition, ``compute_days(settings, view=…, first=…,
last=…)`` for many days in one pass, ``compute_latest(settings, at=…)`` for the newest values of every view.
``materialize``: ``materialize(settings, until=…)`` brings what is new to the online store.
"""
