"""Prometheus rules and Grafana dashboards, generated from code: ``deploy/observability``."""
