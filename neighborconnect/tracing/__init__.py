"""Distributed tracing with OpenTelemetry: spans, their export, and the local store of an embedded stack."""
