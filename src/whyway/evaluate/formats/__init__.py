"""Results in other people's formats: read whole, nothing in them trusted, judged by the metrics next door, one format a file."""
