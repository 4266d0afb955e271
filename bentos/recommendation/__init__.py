"""The recommendation service: ranks posts and connectors for one neighbour at a time."""
