"""Training sets: the labels of a file, joined with the features of a service as of the time of each label."""
