"""The matching service: who and what fits a person."""
