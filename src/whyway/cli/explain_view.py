"""How `whyway explain` looks in a terminal: what `evaluate` found, in tables that fit 100 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from whyway.cli.explain_sketch import letters, sketch
from whyway.evaluate.black_box.explain import Account, forecast_words, instead, place_words
from whyway.evaluate.black_box.story import Story
from whyway.evaluate.black_box.why_not import DONE, LEFT, Stretch, WhyNot
from whyway.evaluate.moments import RANK, Moment
from whyway.evaluate.traces.interventions import Interventions
from whyway.log import Log
from whyway.trace.sentences import deed, in_words, name, reason, risk
from whyway.types import Agreement, LightColor, NavCommand, Risk, SafetyState

_WIDTH = 100
_COLOR = {
    "collision": "bold red", "red light": "bold red", "off road": "bold red", "safety": "red", "fault": "red",
    "silence": "red", "contradiction": "red", "stand": "yellow", "start": "dim", "close": "dim",
    "decision": "cyan",
}  # fmt: skip
_AGREES = {Agreement.OK: "[green]ok[/]", Agreement.UNSUPPORTED: "[yellow]not supported[/]",
           Agreement.CONTRADICTORY: "[red]the opposite[/]"}  # fmt: skip
_SHORT_S = 0.25
"""Shorter stretches are told together."""


def _table(*columns: str, title: str = "") -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    table.title_style = "bold"
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _facts(title: str) -> Table:
    """A list of names and what they are."""
    table = Table(box=None, show_header=False, title=title, title_justify="left", pad_edge=False)
    table.title_style = "bold"
    table.add_column(style="dim", min_width=12, no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _print(console: Console, *parts: Table | Text | str) -> None:
    for part in parts:
        if isinstance(part, Text):  # a row of a picture: cut rather than broken
            console.print(part, no_wrap=True, overflow="crop")
        else:
            console.print(part, width=min(_WIDTH, console.width))


def _head(log: Log, what: str) -> str:
    info = log.info
    text = f"[bold]{escape(log.path.name)}[/] · {escape(str(info.get('driver', '?')))} in "
    text += f"{escape(str(info.get('name') or info.get('world', '?')))} · {what}"
    return text + (f"\n[yellow]the log {escape(log.truncated)}[/]" if log.truncated else "")


# ---------------------------------------------------------------------------------------------------- one instant


def show_account(a: Account, log: Log, console: Console) -> None:
    """One instant: the sentence first, then what it rests on."""
    _print(console, _head(log, f"at {a.at_s:.1f} s"), "")
    _print(console, f"[bold cyan]The car {escape(a.sentence)}.[/]")
    if a.old_s:
        _print(
            console,
            f"[yellow]This was decided {a.old_s:.1f} s earlier: nothing newer is logged.[/]",
        )
    rows = sketch(a, log)
    if rows:
        _print(console, "", *rows)
        _print(
            console,
            "[dim]1 m a column, 2 m a row; █ itself, · its plan, ▒ others, letters: cited, see below[/]",
        )
    _print(console, "", _perceived(a), "", _decided(a), *_because(a), *_cited(a), *_rejected(a))
    _print(console, "", _checked(a), *_around(a))


def _perceived(a: Account) -> Table:
    p, ego = a.trace.perception, a.trace.perception.ego
    table = _facts("What it saw")
    road = p.road_type.name.lower()
    if abs(p.curvature_1pm) > 1e-3:
        road += f", radius {1 / abs(p.curvature_1pm):.0f} m"
    road += f"; limit {p.speed_limit_mps * 3.6:.0f} km/h"
    for value, what in (
        (p.distance_to_junction_m, "junction"),
        (p.distance_to_stop_line_m, "stop line"),
    ):
        road += f"; {what} in {value:.0f} m" if math.isfinite(value) else ""
    table.add_row("road", road)
    if p.traffic_light != LightColor.UNKNOWN:
        sure = f"{p.traffic_light_confidence:.0%} sure"
        table.add_row(
            "light",
            f"{p.traffic_light.name.lower()} in {p.traffic_light_distance_m:.0f} m ({sure})",
        )
    table.add_row(
        "itself",
        f"{ego.v_mps * 3.6:.1f} km/h, {ego.a_mps2:+.2f} m/s², steering {math.degrees(ego.steer_rad):+.1f}°",
    )
    if p.command != NavCommand.FOLLOW:
        where = f" in {p.command_distance_m:.0f} m" if p.command_distance_m > 0.5 else " now"
        table.add_row("route", in_words(p.command.name) + where)
    seen = "" if a.scene is None else f"{len(a.scene.objects)} road users tracked, "
    table.add_row("others", f"{seen}{len(p.critical_objects)} cited")
    return table


def _decided(a: Account) -> Table:
    d, action = a.trace.planning, a.trace.action
    table = _facts("What it decided, and does")
    table.add_row("decision", escape(deed(*d.decision)))
    wants = f"{d.target_acceleration_mps2:+.2f} m/s² towards {d.target_speed_mps * 3.6:.0f} km/h"
    if math.isfinite(d.stop_distance_m):
        wants += f", to stand in {d.stop_distance_m:.1f} m"
    if d.offset_until_m > 0.0:
        wants += f", {abs(d.offset_m):.1f} m {'left' if d.offset_m > 0 else 'right'} of its lane's middle"
    table.add_row("it asks for", f"{wants}; {d.confidence:.0%} confident")
    does = (action.meta_longitudinal, action.meta_lateral, action.meta_lane)
    table.add_row("the plan does", ", ".join(in_words(x.name) for x in does))
    return table


def _because(a: Account) -> list[Table | str]:
    if not a.trace.planning.causes:
        return ["\n[yellow]It gives no cause.[/]"]
    table = _table("weight", "because of", "without it the car …", title="\nBecause")
    for c in a.trace.planning.causes:
        same = instead(c) == deed(*a.trace.planning.decision)
        table.add_row(
            f"{c.weight:.2f}",
            escape(reason(c, a.trace)),
            "does the same" if same else escape(instead(c)),
        )
    return [table]


def _cited(a: Account) -> list[Table]:
    if not a.trace.perception.critical_objects:
        return []
    called = letters(a)
    table = _table("", "who", "where", "speed", "expected to", "counts", title="Whom it minded")
    for c in a.trace.perception.critical_objects:
        speed = f"{math.hypot(c.vx_mps, c.vy_mps) * 3.6:.0f} km/h"
        where = place_words(a.trace.perception.ego, c)
        who = forecast_words(a.trace, c.id)
        letter = f"[bold yellow]{called[c.id]}[/]"
        table.add_row(letter, escape(name(c)), where, speed, who, f"{c.relevance:.2f}")
    return [table]


def _rejected(a: Account) -> list[Table | str]:
    if not a.trace.planning.rejected:
        return ["[dim]It weighed no alternative.[/]"]
    table = _table("alternative", "why not", "when", title="What it weighed and left")
    for r in a.trace.planning.rejected:
        when = f"after {r.at_s:.1f} s" if math.isfinite(r.at_s) else ""
        table.add_row(escape(deed(r.longitudinal, r.lateral, r.direction)), risk(r.risk), when)
    return [table]


def _checked(a: Account) -> Table:
    i = a.trace.integrity
    table = _facts("Can it be trusted?")
    axes = (("longitudinal", i.longitudinal), ("steering", i.lateral), ("lane", i.lane))
    table.add_row("plan and words", ", ".join(f"{axis} {_AGREES[x]}" for axis, x in axes))
    there = (
        "[green]what is cited is there[/]" if i.grounding_ok else "[red]cites what is not there[/]"
    )
    grammar = "grammar ok" if i.grammar_ok else "[red]grammar broken[/]"
    table.add_row(
        "citations", f"{there}; {grammar}" + ("; [yellow]fallback[/]" if i.fallback_used else "")
    )
    if a.verdict is None:
        table.add_row("safety", "[yellow]no verdict logged[/]")
    elif a.verdict.state == SafetyState.NOMINAL:
        table.add_row("safety", "[green]nominal[/]: the command went through")
    else:
        state = in_words(a.verdict.state.name)
        table.add_row(
            "safety", f"[red]{state}[/]: {escape(a.verdict.reason or a.verdict.fault.name.lower())}"
        )
    times = ", ".join(f"{s.stage} {s.latency_ms:.1f}" for s in i.latency)
    table.add_row("latency", f"{times} ms" if times else "not logged")
    table.add_row(
        "made by",
        f"model {i.model_sha256[:12] or 'unnamed'}, vocabulary {i.vocabulary_version}, input {i.input_hash or 'unknown'}",
    )
    return table


def _around(a: Account) -> list[Table | str]:
    if not a.interventions and not a.events:
        return ["\n[dim]No intervention and no event within 5 s.[/]"]
    table = _table("from", "to", "what", title="\nNear then")
    for i in a.interventions:
        table.add_row(
            f"{i.from_s:.1f} s", f"{i.to_s:.1f} s",
            f"[red]safety: {i.did}[/] {escape(i.why)}",
        )  # fmt: skip
    for e in a.events:
        table.add_row(
            f"{e.at_s:.1f} s", "", f"{escape(e.source)}: {escape(e.detail)} ({e.fault.lower()})"
        )
    return [table]


# ------------------------------------------------------------------------------------------------ the whole drive


def show_story(s: Story, log: Log, console: Console) -> None:
    """The moments that matter, and where to look next."""
    _print(console, _head(log, f"{s.duration_s:.1f} s"), "")
    table = _table("at", "for", "", "what, and what the car said")
    for m in s.moments:
        lasts = f"{m.to_s - m.at_s:.1f} s" if m.to_s > m.at_s else ""
        color = _COLOR[m.kind]
        lines = [f"[{color}]{escape(m.what)}[/]"] if m.what else []
        lines += [escape(m.known)] if m.known else []
        lines += [f"it {escape(m.said)}"] if m.said else []
        table.add_row(f"{m.at_s:.1f} s", lasts, f"[{color}]{m.kind}[/]", "\n".join(lines))
    _print(console, table)
    if s.left_out:
        _print(console, f"[dim]{s.left_out} shorter decisions are left out.[/]")
    if s.unjudged:
        _print(console, f"[yellow]Not told: how it drove ({escape(s.unjudged)}).[/]")
    look = _look_at(s.moments)
    if look is not None:
        console.print(
            f"\nMore: whyway explain {escape(str(log.path))} --at {look.at_s:.1f}", soft_wrap=True
        )


def _look_at(moments: Sequence[Moment]) -> Moment | None:
    """What went wrong worst and first; else where it stood last; else its last decision."""
    wrong = [m for m in moments if RANK[m.kind] < RANK["stand"]]
    if wrong:
        return min(wrong, key=lambda m: RANK[m.kind])
    rest = [m for m in moments if m.kind == "stand"] or list(moments)
    return rest[-1] if rest else None


def show_why_not(w: WhyNot, log: Log, console: Console) -> None:
    """Each stretch and its answer."""
    _print(console, _head(log, f"why not {w.asked}?"), "")
    parts = [f"{risk(Risk[r])} in {n}" for r, n in w.left.items()]
    parts += [f"not weighed in {w.not_weighed}"] if w.not_weighed else []
    parts += [f"done in {w.done}"] if w.done else []
    if w.cycles > 1:
        _print(console, f"Of {w.cycles} decisions: [bold]{'; '.join(parts)}[/].", "")
    told = [s for s in w.stretches if w.cycles == 1 or s.to_s - s.from_s >= _SHORT_S]
    table = _table("from", "to", in_words(w.asked), "instead it", "there was")
    for s in told:
        table.add_row(
            f"{s.from_s:.1f} s",
            f"{s.to_s:.1f} s",
            _answer(s),
            escape(s.instead),
            escape(", ".join(s.beside)),
        )
    _print(console, table)
    if len(w.stretches) > len(told):
        _print(
            console,
            f"[dim]{len(w.stretches) - len(told)} stretches shorter than {_SHORT_S:g} s are left out; --json has all.[/]",
        )


def _answer(s: Stretch) -> str:
    if s.answer == DONE:
        return "[green]done[/]"
    if s.answer != LEFT or s.risk is None:
        return f"[dim]not weighed[/]{': ' + s.why if s.why else ''}"
    when = ""
    if s.after_s is not None:
        low, high = s.after_s
        when = f" after {low:.1f} s" if high - low < 0.05 else f" after {low:.1f} to {high:.1f} s"
    return f"[yellow]{risk(Risk[s.risk])}[/]{when}"


# ------------------------------------------------------------------------------------------------------ the tests


def show_interventions(i: Interventions, log: Log, console: Console) -> None:
    """How often decision and plan did what the words promise."""
    _print(console, _head(log, "are the words the causes?"), "")
    table = _table("test", "as it must be", "of", "share")
    for row in i.rows():
        share = "–" if row.share is None else f"{row.share:.1%}"
        table.add_row(row.what, str(row.hits), str(row.tried), share)
    _print(console, table)
