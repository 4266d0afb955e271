"""Every speed claim of the project: a command that prints our figure beside a peer's or the raw limit."""
