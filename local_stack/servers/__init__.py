"""Drivers of the servers: how each is installed, configured, started and checked."""
