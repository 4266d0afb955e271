"""Training: data sets, registered models, champions, and the services that load them."""
