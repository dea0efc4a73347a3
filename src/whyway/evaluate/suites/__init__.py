"""Ready suites: lists of worlds and seeds to drive a driver through."""
