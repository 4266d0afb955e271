"""Matching: which people, connectors and interests fit a person, by ties, memberships, interests and places."""
