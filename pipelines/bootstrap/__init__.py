"""The first run: from ingested events to served models (``python -m pipelines.bootstrap``)."""
