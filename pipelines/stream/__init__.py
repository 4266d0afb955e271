"""Features of the last hour, from Kafka to the online store within a second (``python -m pipelines.stream``)."""
