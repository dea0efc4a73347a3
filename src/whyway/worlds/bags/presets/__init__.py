"""Tables of topics by name (`topic_map.py`)."""
