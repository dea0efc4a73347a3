"""How what is learnt is learnt: one recipe a file, each run as `python -m training.<name>` from the root of the repository."""
