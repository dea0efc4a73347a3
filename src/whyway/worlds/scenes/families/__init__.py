"""One file per scenario family; what they may say is in `worlds/scenes/family.py`."""
