"""A town with known preferences: neighbours, connectors, posts and behaviour to run the platform on."""
