"""Local stack: runs the servers and processes of the platform on one machine. No other package imports it."""
