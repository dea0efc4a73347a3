"""What is wrong with gates, or with what they are held against."""

from __future__ import annotations

from whyway.types import InputError


class GateError(InputError):
    """Gates that cannot be judged by; its text is one line with the remedy."""
