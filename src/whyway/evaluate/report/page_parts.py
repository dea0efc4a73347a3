"""What pages share: templates, our scripts, the style, uPlot; all of it ends up inside the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from whyway.evaluate.report.picture import color_variables
from whyway.evaluate.report.view_data import compact, page_names

HERE = Path(__file__).parent
ASSETS = HERE / "assets"

VIEW_SCRIPTS = ("uPlot.iife.min.js", "stage.js", "panel.js", "plots.js", "view.js")
"""What a page needs to show a drive, in the order in which they build on each other."""


@cache
def environment() -> jinja2.Environment:
    """The templates of this folder; every text is escaped, an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shared(*more_scripts: str) -> dict[str, Any]:
    """What every template takes: `style`, `names` and `scripts`, ready to stand in their elements."""
    light, dark = color_variables()
    colors = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    style = colors + _asset("uPlot.min.css") + _asset("report.css")
    scripts = "\n".join(map(_asset, (*VIEW_SCRIPTS, *more_scripts)))
    return {
        "style": Markup(style),
        "names": Markup(compact(page_names())),
        "scripts": Markup(scripts),
    }


@cache
def _asset(name: str) -> str:
    text = (ASSETS / name).read_text(encoding="utf-8")
    assert "</script" not in text and "</style" not in text, f"{name} would end its own element"
    return text
