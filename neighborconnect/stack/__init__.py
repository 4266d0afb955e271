"""Real servers on one machine: starts, watches and stops them. Nothing else of ours knows how they run."""
