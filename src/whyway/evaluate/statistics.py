"""Numbers of some drives -> how far they can be trusted: bootstrap intervals over scenes, paired differences, quantiles of series.

What is drawn anew is a scene, never a drive or a cycle: two drives of a scene with other seeds, or two cycles of a drive, know of one
another, and who counts them as independent finds differences that are not there. Everything is deterministic: the same values
and the same seed give the same interval.

Sources: Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 13 (percentile interval); Davison & Hinkley, Bootstrap
Methods and their Application (1997), sec. 3.2 (strata) and 3.8 (clusters); Hesterberg, What Teachers Should Know About the
Bootstrap, The American Statistician 69 (2015), sec. 5.3 (expanded percentiles); Woodruff, JASA 47 (1952) and Korn & Graubard,
Survey Methodology 24 (1998) (quantiles of samples that are not independent).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, stdtrit

Values = Sequence[float | None] | NDArray[np.float64]
Statistic = Callable[..., object]
"""Called as np.mean is: an array (..., n) and `axis`."""
Verdict = Literal["better", "worse", "higher", "lower", "no difference shown"]

FEWEST_PAIRS = 6
"""Fewer pairs show nothing: even if all of n differences have one sign, chance does that with 2 / 2**n, above 0.05 up to n = 5 (sign test)."""
FEWEST_SERIES = 8
"""From so many drives on, the spread between drives is measured; below, that between stretches of a drive."""
NOTHING_KNOWN = (-math.inf, math.inf)
"""The interval of none or one scene: nothing is excluded."""
_CHUNK = 2_000_000
"""Values drawn at once, which bounds memory (16 MB)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One minus the other over the same scenes, its interval, and what can be said of it.

    `mean` is nan without a pair. `pairs` counts drives that both have.
    """

    mean: float
    low: float
    high: float
    pairs: int
    verdict: Verdict


# ----------------------------------------------------------------------------------------------------------- means


def bootstrap_interval(
    values: Values, *, statistic: Statistic = np.mean, level: float = 0.95, resamples: int = 2000, seed: int = 0,
    scenes: Sequence[Hashable] | None = None, strata: Sequence[Hashable] | None = None, expanded: bool = False,
) -> tuple[float, float]:  # fmt: skip
    """Percentile bootstrap interval of a statistic: (low, high).

    None and nan are left out: a scene without a value says nothing of it. With less than two scenes left nothing is known
    (`NOTHING_KNOWN`). With few scenes (below about twenty) a percentile interval is a little too narrow: at n = 10 a 95 % interval
    of a mean of normal values covers 91.5 % (400 samples).

    Args:
      values: (n,) one number a drive.
      statistic: of an array (..., n) along `axis=-1`.
      level: share of intervals that hold the true value.
      resamples: how often scenes are drawn anew.
      seed: of the drawing.
      scenes: (n,) which scene each value is of: drives of a scene are drawn together. None: each is of its own.
      strata: (n,) what each value's scene belongs to and whose number of scenes is fixed (a family); scenes are drawn within. A
        stratum with a single scene has no spread of its own: all such are drawn as one.
      expanded: read off further out, as far as Student's t is wider than the normal of the resamples (Hesterberg): keeps the level
        with few scenes, too.

    Raises:
      ValueError: level, resamples or lengths that make no sense.
    """
    _check(level, resamples)
    array, kept = _known(values)
    units = _units(len(kept), scenes, strata, kept)
    if sum(map(len, units)) < 2:
        return NOTHING_KNOWN
    tail = (1.0 - level) / 2.0
    if expanded:
        n = sum(map(len, units))
        tail = float(ndtr(math.sqrt(n / (n - 1)) * stdtrit(n - 1, tail)))
    drawn = _drawn(array, units, statistic, resamples, seed)
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return float(low), float(high)


def paired_difference(
    a: Values, b: Values, *, higher_is_better: bool | None = True, statistic: Statistic = np.mean, level: float = 0.95,
    resamples: int = 2000, seed: int = 0, scenes: Sequence[Hashable] | None = None, strata: Sequence[Hashable] | None = None,
) -> Difference:  # fmt: skip
    """The statistic (mean) of a - b over drives of the same scene and seed, with its interval (expanded) and a verdict on a.

    The verdict is "no difference shown" if the interval holds 0 or there are less than `FEWEST_PAIRS` scenes; otherwise "better" or
    "worse", or, where neither direction is good, "higher" or "lower". Pairs with a missing side are left out.

    Args:
      a: (n,) what is judged.
      b: (n,) what it is compared with, in the same order.
      higher_is_better: None where neither direction is.
      statistic: see `bootstrap_interval`.
      level: see there.
      resamples: see there.
      seed: see there.
      scenes: see there.
      strata: see there.

    Raises:
      ValueError: a and b differ in length, or see `bootstrap_interval`.
    """
    first, second = _floats(a), _floats(b)
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal lengths: {len(first)} and {len(second)}")
    both = np.isfinite(first) & np.isfinite(second)
    differences = np.full(len(first), np.nan)
    differences[both] = first[both] - second[both]
    count = int(both.sum())
    low, high = bootstrap_interval(
        differences, statistic=statistic, level=level, resamples=resamples, seed=seed,
        scenes=scenes, strata=strata, expanded=True,
    )  # fmt: skip
    mean = float(np.asarray(statistic(differences[both], axis=-1))) if count else math.nan
    groups = count if scenes is None else len({s for s, known in zip(scenes, both, strict=True) if known})  # fmt: skip
    return Difference(mean, low, high, count, _verdict(low, high, groups, higher_is_better))


def _verdict(low: float, high: float, groups: int, higher_is_better: bool | None) -> Verdict:
    if groups < FEWEST_PAIRS or low <= 0.0 <= high:
        return "no difference shown"
    if higher_is_better is None:
        return "higher" if low > 0.0 else "lower"
    return "better" if (low > 0.0) == higher_is_better else "worse"


def _drawn(
    array: NDArray[np.float64],
    units: list[list[NDArray[np.intp]]],
    statistic: Statistic,
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """The statistic of every resample: (resamples,)."""
    rng = np.random.default_rng(seed)
    if statistic is np.mean:
        return _drawn_means(array, units, resamples, rng)
    if all(len(unit) == 1 for stratum in units for unit in stratum):
        flat = [np.concatenate(stratum) for stratum in units]
        chunk = max(1, _CHUNK // len(array))
        found = []
        for start in range(0, resamples, chunk):
            count = min(chunk, resamples - start)
            picks = [s[rng.integers(0, len(s), (count, len(s)))] for s in flat]
            found.append(np.asarray(statistic(array[np.concatenate(picks, -1)], axis=-1)))
        return np.concatenate(found)
    found = []
    for _ in range(resamples):
        picked = [s[k] for s in units for k in rng.integers(0, len(s), len(s))]
        found.append(np.asarray(statistic(array[np.concatenate(picked)], axis=-1)))
    return np.array(found, float)


def _drawn_means(
    array: NDArray[np.float64],
    units: list[list[NDArray[np.intp]]],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Means of resamples from the sum and count of each unit: as drawing all their values, but quicker."""
    sums, counts = np.zeros(resamples), np.zeros(resamples)
    for stratum in units:
        unit_sum = np.array([array[unit].sum() for unit in stratum])
        unit_count = np.array([len(unit) for unit in stratum], float)
        chunk = max(1, _CHUNK // len(stratum))
        for start in range(0, resamples, chunk):
            part = slice(start, min(start + chunk, resamples))
            picks = rng.integers(0, len(stratum), (part.stop - part.start, len(stratum)))
            sums[part] += unit_sum[picks].sum(axis=-1)
            counts[part] += unit_count[picks].sum(axis=-1)
    return sums / counts


def _units(
    count: int,
    scenes: Sequence[Hashable] | None,
    strata: Sequence[Hashable] | None,
    kept: NDArray[np.bool_],
) -> list[list[NDArray[np.intp]]]:
    """What is drawn: for each stratum its scenes, each as indices into the values that are known."""
    for name, labels in (("scenes", scenes), ("strata", strata)):
        if labels is not None and len(labels) != count:
            raise ValueError(f"{name} needs one label a value: {len(labels)} and {count}")
    found: dict[Hashable, dict[Hashable, list[int]]] = {}
    for index, original in enumerate(np.flatnonzero(kept).tolist()):
        stratum = None if strata is None else strata[original]
        scene = original if scenes is None else scenes[original]
        found.setdefault(stratum, {}).setdefault(scene, []).append(index)
    many = [[np.array(u) for u in units.values()] for units in found.values() if len(units) > 1]
    alone = [np.array(u) for units in found.values() if len(units) == 1 for u in units.values()]
    if len(alone) == 1 and many:  # a lone one among others: drawn with the first of them
        return [many[0] + alone, *many[1:]]
    return [*many, *([alone] if alone else [])]


def _floats(values: Values) -> NDArray[np.float64]:
    array = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"needs one number a drive, found an array {array.shape}")
    return array


def _known(values: Values) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    array = _floats(values)
    kept = np.isfinite(array)
    return array[kept], kept


def _check(level: float, resamples: int) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level:g}: give a share between 0 and 1, e.g. 0.95")
    if resamples < 1:
        raise ValueError(f"resamples {resamples}: give at least 1")


# ------------------------------------------------------------------------------------------------------- quantiles


def quantile_interval(
    series: Sequence[Sequence[float]], q: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Interval of a quantile (a latency's p99) over cycles of some drives, without a model of their distribution: (low, high).

    A bootstrap of an extreme quantile never leaves the data, and cycles of one drive are alike. So, after Woodruff (1952): an interval
    for the *share* below the quantile, read off at the sorted values. The share's interval is Clopper & Pearson's with the effective
    number of cycles of Korn & Graubard (1998): cycles / design effect, the latter from the spread of the share between drives
    (from `FEWEST_SERIES` drives on) or between stretches of sqrt(n) cycles (batch means; Flegal & Jones, Ann. Statist. 38, 2010).

    Args:
      series: one drive's values in the order of time each; nan is left out.
      q: in (0, 1), e.g. 0.99.
      level: share of intervals that hold the true quantile.

    Returns:
      Values of the data, or infinite where so few cycles exclude nothing: 100 cycles have no upper bound for a p99.

    Raises:
      ValueError: q or level outside (0, 1).
    """
    _check(level, 1)
    if not 0.0 < q < 1.0:
        raise ValueError(f"q {q:g}: give a share between 0 and 1, e.g. 0.99")
    drives = [d[np.isfinite(d)] for d in (np.asarray(s, float) for s in series)]
    drives = [d for d in drives if len(d)]
    if not drives:
        return NOTHING_KNOWN
    pooled = np.sort(np.concatenate(drives))
    effective = _effective(drives, float(np.quantile(pooled, q)), q, level)
    tail = (1.0 - level) / 2.0
    # Clopper & Pearson's bounds of a share of which q was seen
    below = effective * q
    low = float(betaincinv(below, effective - below + 1.0, tail)) if below > 0.0 else 0.0
    high = float(betaincinv(below + 1.0, effective - below, 1.0 - tail))
    n = len(pooled)
    first, last = math.floor(low * n) - 1, math.ceil(high * n)
    return (
        -math.inf if first < 0 else float(pooled[first]),
        math.inf if last >= n else float(pooled[last]),
    )


def _effective(drives: list[NDArray[np.float64]], at: float, q: float, level: float) -> float:
    """As many independent cycles would tell as much: cycles / design effect, with Korn & Graubard's correction for few blocks."""
    n = sum(map(len, drives))
    blocks = drives
    if len(drives) < FEWEST_SERIES:
        batch = max(1, math.isqrt(n))
        blocks = [d[i : i + batch] for d in drives for i in range(0, len(d), batch)]
    if len(blocks) < 2:
        return float(n)
    size = np.array([len(b) for b in blocks], float)
    # linearised variance of a ratio (share = sum of those below / sum of sizes) between blocks drawn with replacement
    off = np.array([(b <= at).sum() for b in blocks]) - size * q
    variance = len(blocks) / (len(blocks) - 1) * float(np.square(off - off.mean()).sum()) / n**2
    design = max(1.0, variance * n / (q * (1.0 - q)))
    freedom = len(blocks) - 1
    tail = (1.0 + level) / 2.0
    shrink = float(stdtrit(n - 1, tail) / stdtrit(freedom, tail)) ** 2 if n > 1 else 1.0
    return float(n / design * shrink)
