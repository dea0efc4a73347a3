"""Gates: logs against references and limits, and a verdict that stops a regression. Read `schema.py` first, then `run.py`."""
