"""Recommenders, one for each kind of item: training, offline evaluation, and the predictor that is served."""
