"""Whom the ego touched, in words: who it was, how they met, and whether perception and the trace knew of it before."""

from __future__ import annotations

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.pdms import Contact
from whyway.evaluate.instants import UNSEEN_M, Instants, cited
from whyway.types import ObjectClass

LOOK_BACK_S = 5.0
"""So long before a contact is looked at: who was known then."""

_HOW = {
    "FRONT": ", with its front",
    "LATERAL": ", with its side",
    "REAR": ", hit from behind",
    "STOPPED_EGO": ", while it stood",
    "STOPPED_TRACK": ", which stood still",
}


def column(drive: Drive, actor_id: int) -> int:
    """An actor's column in the drive's arrays."""
    return int(np.flatnonzero(drive.actors.ids == actor_id)[0])


def kind_of(drive: Drive, actor_id: int) -> str:
    """The word for an actor: car, pedestrian ..."""
    return ObjectClass(int(drive.actors.object_class[column(drive, actor_id)])).name.lower()


def met(drive: Drive, c: Contact, when: str = "") -> str:
    """Who ran into whom, e.g. "ran into a car (actor 50), which stood still"; `when` is put behind the name."""
    who = f"a {kind_of(drive, c.actor_id)} (actor {c.actor_id}){when}"
    return f"ran into {who}{_HOW.get(c.kind, '')}" if c.at_fault else f"touched by {who}, not by its own fault"  # fmt: skip


def known(drive: Drive, instants: Instants, c: Contact) -> str:
    """A sentence: whether perception tracked whom the ego touched, and whether the trace cited it, in the seconds before."""
    i, a = drive.index(c.at_s), column(drive, c.actor_id)
    tracked, named = list[int](), list[int]()
    track_id = 0
    for k in range(max(0, i - round(LOOK_BACK_S / drive.dt_s)), i + 1):
        x, y = drive.actors.x_m[k, a], drive.actors.y_m[k, a]
        instant = instants.at(k)
        objects = () if instant.scene is None else instant.scene.objects
        near = [(float(np.hypot(o.x_m - x, o.y_m - y)), o.id) for o in objects]
        if near and min(near)[0] <= UNSEEN_M:
            tracked.append(k)
            track_id = min(near)[1]
            if track_id in cited(instant)[0]:
                named.append(k)
    if not tracked:
        return "Perception had no track of it in the seconds before."
    lost = "" if tracked[-1] >= i - 1 else f" until {drive.t_s[tracked[-1]]:.1f} s"
    text = f"Perception tracked it (as object {track_id}){lost}"
    if not named:
        return f"{text}, but no decision of the last {LOOK_BACK_S:.0f} s cited it."
    before_s = (i - named[0]) * drive.dt_s
    return f"{text}, and the trace cited it as a cause, first {before_s:.1f} s before."
