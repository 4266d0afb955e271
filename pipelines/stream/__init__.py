"""The last hour of every user, from Kafka to the online store within a second (``python -m pipelines.stream``)."""
