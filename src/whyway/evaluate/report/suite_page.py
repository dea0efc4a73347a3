"""A suite's summary -> its page: one HTML file with what was failed first; a scene's drive is loaded when somebody asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render_suite(summary: Mapping[str, Any]) -> str:
    """Give the text of a suite's report.html.

    Args:
      summary: as `suites.summary.summarise` makes it; scenes with a "view" (a side file's path, relative to the page) can be opened.
    """
    from whyway.evaluate.suites import summary as old  # until the page below is whole

    return old.render_summary(summary)
