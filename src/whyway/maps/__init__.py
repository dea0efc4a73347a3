"""Roads: CommonRoad files and our own town -> `LaneMap` and `Route`; `Road` answers questions about them."""
