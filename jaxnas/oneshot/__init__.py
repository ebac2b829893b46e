"""Search on a weight-sharing supernet, by gradient."""
