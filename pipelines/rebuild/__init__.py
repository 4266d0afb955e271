"""Rebuild of the lake or of the warehouse from Kafka (``neighborconnect rebuild``)."""
