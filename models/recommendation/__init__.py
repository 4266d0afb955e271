"""Which connectors and posts a neighbour would like: training, evaluation and the predictor that is served."""
