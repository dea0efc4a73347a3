"""The same bits from every run of a training program."""

from __future__ import annotations

import torch


def repeatable(threads: int) -> None:
    """From here on torch uses so many threads, and sums in the same order every time.

    Left alone, a CPU's threads add up the gradient of a gather as they come by: with two of them, one step in some hundred differs in its
    last bit, and a few thousand steps later every weight does. On a GPU what cannot be done in order is done as it comes, with a warning.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
