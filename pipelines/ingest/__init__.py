"""Ingest of events from Kafka to the lake and to the warehouse, and dead letters."""
