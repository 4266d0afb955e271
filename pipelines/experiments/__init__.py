"""Readout of experiments: comparison of their variants, guardrails that stop them, and the report.

statistics.py   comparison of the variants, from one row per user
outcomes.py     the rows, from the mart ``fct_experiment_users``
definitions.py  definitions of the API, and the report to it
report.py       plot and MLflow run
cli.py          ``neighborconnect experiments``
jobs.py         the hourly job
"""
