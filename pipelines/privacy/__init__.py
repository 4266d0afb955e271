"""Users' rights in the analytical stores: consent, erasure and data exports."""
