"""Contracts between the packages: captured tables, topics, events and serving messages.

A package reads another's data only through these. They are interfaces: add, do not rename.
"""
