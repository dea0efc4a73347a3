"""Recipes: from nothing to a model under models/, each run as `python -m training.recipes.<name>`."""
