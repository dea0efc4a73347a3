"""The black box: a log asked by a person what happened, why, and why not otherwise."""
