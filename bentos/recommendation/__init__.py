"""Recommendation service: ranks posts, connectors, events and marketplace items for one user at a time."""
