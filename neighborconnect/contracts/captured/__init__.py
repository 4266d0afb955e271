"""The registry of tables: one entry for each table of the product database, captured or not."""
