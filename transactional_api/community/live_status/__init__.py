"""Live status of a connector, for a page that polls it."""
