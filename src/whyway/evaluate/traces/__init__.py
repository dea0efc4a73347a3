"""Whether the words are true: what a log's traces are worth against its plans, its scenes and what came to pass."""
