"""How it drove: each benchmark's score of a log, from the arrays of its `Drive`; the formulas are in `metrics/`."""
