"""Data quality: the copies of the events compared with their source, expectations on the marts, and the quarantine."""
