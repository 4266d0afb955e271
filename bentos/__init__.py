"""Serving: one BentoML service a model family, reached by the product API only."""
