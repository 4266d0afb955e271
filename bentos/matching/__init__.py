"""Matching service: users, connectors and interests that match a user."""
