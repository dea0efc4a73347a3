"""Data to learn from: the expert driven in closed loop over many worlds and seeds, its keyframes written as Parquet shards."""
