"""Rules of the feeds that serving and offline evaluation share: eligibility, and re-ranking of a page."""
