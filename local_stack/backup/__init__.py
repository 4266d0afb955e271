"""Backup and restore of an embedded stack."""
