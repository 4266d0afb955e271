"""Model serving: one BentoML service per model family, called by the product API only."""
