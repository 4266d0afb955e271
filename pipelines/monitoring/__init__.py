"""Metrics of the processes and stores that have no ``/metrics`` of their own, read when Prometheus asks for them."""
