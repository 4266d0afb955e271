"""Matching model: users, connectors and interests that match a user, from the social graph."""
