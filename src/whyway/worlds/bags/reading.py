"""A bag -> a recording: which topics are taken, what they say, and what has to be noted."""

from __future__ import annotations

from pathlib import Path

from whyway.config import Config
from whyway.worlds.bags.bag import open_bag
from whyway.worlds.bags.gather import gather
from whyway.worlds.bags.observed import observed
from whyway.worlds.bags.recording import Recording
from whyway.worlds.bags.topic_map import choose
from whyway.worlds.bags.tracked import tracked


def read_recording(path: Path | str, topics: str, config: Config) -> Recording:
    """Read a recording.

    Args:
      path: of the bag.
      topics: a preset's name or a YAML file; "" to find out.
      config: the whole tree; only the vehicle counts.

    Raises:
      BagError: nothing to drive in it; one line.
      ConfigError: a table of topics that is none.
    """
    bag = open_bag(path)
    chosen = choose(bag.contents(), topics)
    found = gather(bag, chosen)
    notes = {"bag": str(path), "topics": chosen.told()}
    if bag.lost:
        notes["lost"] = "; ".join(bag.lost)
    if found.unread:
        notes["unread"] = "; ".join(f"{name}: {why}" for name, why in found.unread.items())
    if found.other_clocks:
        those = ", ".join(sorted(found.other_clocks))
        notes["clock"] = f"times of recording, not those in the headers, of {those}"
    if "observation" in chosen.topics:
        return observed(bag, found, notes)
    return tracked(bag, chosen, found, notes, config)
