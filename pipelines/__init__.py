"""Data pipelines: ingest, warehouse, features, training, privacy and data quality.

Each domain wires its assets, checks, jobs, schedules and sensors in modules of these names; the other modules of a
domain compute. Assets wire, transforms compute: a body of an asset calls one function of its domain, and
``transforms`` holds pure functions on frames::

    definitions.py      the Dagster code location: the definitions of all domains
    asset_keys.py       keys and freshness policies of the assets
    resources.py        resources of the code location
    run_control.py      run coordinator and run launcher of dagster_home/dagster.yaml
    webserver.py        Dagster's web server behind the operator's password
    empty_input.py      guard of assets that replace their previous output
    privacy_api.py      client of the API's /privacy endpoints

    ingest/             Kafka to lake and warehouse (services), dead letters
    rebuild/            rebuild of the lake or the warehouse from Kafka (command line)
    stream/             Kafka to the online store: features of the last hour (service)
    transforms/         pure functions: activity events, features, training interactions
    features/           feature history, latest features, online store
    warehouse/          the dbt project as assets
    training/           data sets, models, champions, model services
    privacy/            consent, erasure, data exports
    quality/            comparisons of the copies of events, expectations on the marts
    bootstrap/          the first run: from ingested events to served models

Imports point down these layers, which the linter checks: ``bootstrap``; ``definitions``; ``training``, ``rebuild``,
``stream`` and ``resources``; ``warehouse`` and ``features``; ``quality`` and ``privacy``; ``transforms``; ``ingest``;
the other modules of this package.
"""
