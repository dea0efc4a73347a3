"""One file per scenario family; what they may say is in `worlds/sim/family.py`."""
