"""Console of the platform's moderators and admins at ``/console``: pages that the server renders."""
