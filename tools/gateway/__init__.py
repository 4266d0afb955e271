"""Configuration of the gateway of ``docker-compose.yml``, generated from the limits and routes of the API."""
