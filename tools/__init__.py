"""Tools of the repository: the documentation site, the reference generated from code, and the prose check."""
