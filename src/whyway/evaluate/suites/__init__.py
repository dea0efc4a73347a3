"""Many scenes: what a suite is, driving and judging it over processes, and saying it in one summary. The suites that come along are the YAML files here."""
