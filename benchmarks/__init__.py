"""Every speed claim of the project: a command that prints our figure next to a peer's or the raw limit."""
