"""Whether words are causes: a log's driver is asked again in edited scenes, its planner is given edited words, and what follows is counted."""
