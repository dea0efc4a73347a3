"""Experiments: questions about training, each answered in minutes by `python -m training.experiments.<name>`."""
