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
    scenes: Sequence[Hashable] | None = None, strata: Sequence[Hashable] | None = None, weights: Values | None = None,
    expanded: bool = False,
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
      weights: (n,) for a weighted mean (a share of cycles by how many there were); values without weight are left out.
      expanded: read off further out, as far as Student's t is wider than the normal of the resamples (Hesterberg): keeps the level
        with few scenes, too.

    Raises:
      ValueError: level, resamples, lengths or weights that make no sense.
    """
    _check(level, resamples)
    array = _floats(values)
    if weights is None:
        kept = np.isfinite(array)
        units = _units(kept, scenes, strata)
        columns = array[kept, None]
    else:
        columns, kept = _weighted(array, weights, statistic)
        units = _units(kept, scenes, strata)
    if sum(map(len, units)) < 2:
        return NOTHING_KNOWN
    rng = np.random.default_rng(seed)
    if weights is not None:
        sums, _ = _sums(columns, units, resamples, rng)
        drawn = sums[:, 0] / sums[:, 1]
    else:
        drawn = _drawn(columns[:, 0], units, statistic, resamples, rng)
    return _ends(drawn, sum(map(len, units)), level, expanded)


def paired_difference(
    a: Values, b: Values, *, higher_is_better: bool | None = True, statistic: Statistic = np.mean, level: float = 0.95,
    resamples: int = 2000, seed: int = 0, scenes: Sequence[Hashable] | None = None, strata: Sequence[Hashable] | None = None,
    weights: tuple[Values, Values] | None = None,
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
      weights: those of a and those of b: then it is the weighted mean of a minus that of b.

    Raises:
      ValueError: a and b differ in length, or see `bootstrap_interval`.
    """
    first, second = _floats(a), _floats(b)
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal lengths: {len(first)} and {len(second)}")
    _check(level, resamples)
    if weights is None:
        kept = np.isfinite(first) & np.isfinite(second)
        columns = (first[kept] - second[kept])[:, None]
    else:
        (one, known), (other, known_too) = (
            _weighted(v, w, statistic, whole=True)
            for v, w in zip((first, second), weights, strict=True)
        )
        kept = known & known_too
        columns = np.concatenate([one, other], axis=-1)[kept]
    units, count = _units(kept, scenes, strata), int(kept.sum())
    groups = sum(map(len, units))

    def of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])

    if not count:
        return Difference(math.nan, *NOTHING_KNOWN, 0, "no difference shown")
    mean = of(columns.sum(axis=0)) if weights else statistic(columns[:, 0], axis=-1)
    low, high = NOTHING_KNOWN
    if groups > 1:
        rng = np.random.default_rng(seed)
        if weights is None:
            drawn = _drawn(columns[:, 0], units, statistic, resamples, rng)
        else:
            drawn = of(_sums(columns, units, resamples, rng)[0])
        low, high = _ends(drawn, groups, level, expanded=True)
    verdict = _verdict(low, high, groups, higher_is_better)
    return Difference(float(np.asarray(mean)), low, high, count, verdict)


def never_seen(scenes: int, level: float = 0.95) -> float:
    """Upper bound for the share of scenes in which something happens that happened in none of so many (the "rule of three").

    A bootstrap of equal values has no spread and claims certainty; this is Clopper & Pearson's bound with 0 of n seen,
    1 - ((1 - level) / 2)**(1 / n). See Hanley & Lippman-Hand, JAMA 249 (1983).
    """
    _check(level, 1)
    return 1.0 if scenes < 1 else float(1.0 - ((1.0 - level) / 2.0) ** (1.0 / scenes))


def _verdict(low: float, high: float, groups: int, higher_is_better: bool | None) -> Verdict:
    if groups < FEWEST_PAIRS or low <= 0.0 <= high:
        return "no difference shown"
    if higher_is_better is None:
        return "higher" if low > 0.0 else "lower"
    return "better" if (low > 0.0) == higher_is_better else "worse"


def _ends(
    drawn: NDArray[np.float64], groups: int, level: float, expanded: bool
) -> tuple[float, float]:
    tail = (1.0 - level) / 2.0
    if expanded:
        tail = float(ndtr(math.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, tail)))
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return float(low), float(high)


def _drawn(
    array: NDArray[np.float64],
    units: list[list[NDArray[np.intp]]],
    statistic: Statistic,
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The statistic of every resample: (resamples,)."""
    if statistic is np.mean or statistic is np.sum:
        sums, counts = _sums(array[:, None], units, resamples, rng)
        return sums[:, 0] / counts if statistic is np.mean else sums[:, 0]
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


def _sums(
    columns: NDArray[np.float64],
    units: list[list[NDArray[np.intp]]],
    resamples: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of columns (n, k) over every resample (resamples, k), and how many values each has (resamples,).

    From the sums of each scene: as drawing all its values, but quicker.
    """
    sums, counts = np.zeros((resamples, columns.shape[-1])), np.zeros(resamples)
    for stratum in units:
        of_unit = np.array([columns[unit].sum(axis=0) for unit in stratum])
        size = np.array([len(unit) for unit in stratum], float)
        chunk = max(1, _CHUNK // len(stratum))
        for start in range(0, resamples, chunk):
            part = slice(start, min(start + chunk, resamples))
            picks = rng.integers(0, len(stratum), (part.stop - part.start, len(stratum)))
            counts[part] += size[picks].sum(axis=-1)
            for k in range(columns.shape[-1]):
                sums[part, k] += of_unit[:, k][picks].sum(axis=-1)
    return sums, counts


def _units(
    kept: NDArray[np.bool_],
    scenes: Sequence[Hashable] | None,
    strata: Sequence[Hashable] | None,
) -> list[list[NDArray[np.intp]]]:
    """What is drawn: for each stratum its scenes, each as indices into the values that are known."""
    for name, labels in (("scenes", scenes), ("strata", strata)):
        if labels is not None and len(labels) != len(kept):
            raise ValueError(f"{name} needs one label a value: {len(labels)} and {len(kept)}")
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


def _weighted(
    array: NDArray[np.float64], weights: Values, statistic: Statistic, whole: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Weight * value and weight as columns (n, 2) of what is known (or of everything), and what is (n,)."""
    weight = _floats(weights)
    if statistic is not np.mean:
        raise ValueError("weights are for means only")
    if weight.shape != array.shape or (weight < 0.0).any():
        raise ValueError("weights: give one of 0 or more a value")
    kept = np.isfinite(array) & np.isfinite(weight) & (weight > 0.0)
    columns = np.stack([np.where(kept, weight * array, 0.0), np.where(kept, weight, 0.0)], axis=-1)
    return columns if whole else columns[kept], kept


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


def quantile_difference(
    a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], q: float, *, higher_is_better: bool | None = False,
    level: float = 0.95, resamples: int = 2000, seed: int = 0, scenes: Sequence[Hashable] | None = None,
    strata: Sequence[Hashable] | None = None,
) -> Difference:  # fmt: skip
    """The quantile of all values of a minus that of b, with a bootstrap interval over the scenes they share.

    Values are counted in bins of equal ratio (as HdrHistogram does), so that a resample is a sum of rows: the ends of the interval
    are exact to 1 % of a value; the difference itself is exact.

    Args:
      a: (n,) series, one a drive; of what is judged. Not negative (latencies).
      b: (n,) of what it is compared with, in the same order. A drive without values on either side is left out.
      q: in (0, 1).
      higher_is_better: see `paired_difference`.
      level: see there.
      resamples: see there.
      seed: see there.
      scenes: see there.
      strata: see there.

    Raises:
      ValueError: a and b differ in length; q or level outside (0, 1).
    """
    if len(a) != len(b) or not 0.0 < q < 1.0:
        raise ValueError("pairs need equal lengths, and q between 0 and 1")
    _check(level, resamples)
    kept = np.array([bool(len(x)) and bool(len(y)) for x, y in zip(a, b, strict=True)], bool)
    if not kept.any():
        return Difference(math.nan, *NOTHING_KNOWN, 0, "no difference shown")
    sides = [[np.asarray(s[i], float) for i in np.flatnonzero(kept).tolist()] for s in (a, b)]
    exact = [float(np.quantile(np.concatenate(side), q)) for side in sides]
    units = _units(kept, scenes, strata)
    groups = sum(map(len, units))
    low, high = NOTHING_KNOWN
    if groups > 1:
        rng = np.random.default_rng(seed)
        edges = _bins(np.concatenate([v for side in sides for v in side]))
        counts = [np.array([np.histogram(v, edges)[0] for v in side], np.float32) for side in sides]
        times = _times_drawn(units, int(kept.sum()), resamples, rng)
        ours, theirs = (_binned_quantiles(times @ c, edges, q) for c in counts)
        low, high = _ends(ours - theirs, groups, level, expanded=True)
    verdict = _verdict(low, high, groups, higher_is_better)
    return Difference(exact[0] - exact[1], low, high, int(kept.sum()), verdict)


def _bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    top = max(float(values.max()), 1e-6)
    bottom = max(float(values.min()), top * 1e-6)
    ratio = math.log(top / bottom) / math.log(1.01)
    edges = np.geomspace(bottom, top * 1.01, max(2, math.ceil(ratio) + 2))
    return np.concatenate([[0.0], edges])


def _times_drawn(
    units: list[list[NDArray[np.intp]]], drives: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How often each drive is in each resample: (resamples, drives)."""
    found = np.zeros((resamples, drives), np.float32)
    for stratum in units:
        times = rng.multinomial(len(stratum), np.full(len(stratum), 1.0 / len(stratum)), resamples)
        for k, unit in enumerate(stratum):
            found[:, unit] = times[:, k, None]
    return found


def _binned_quantiles(
    counts: NDArray[np.float32], edges: NDArray[np.float64], q: float
) -> NDArray[np.float64]:
    """Quantiles (resamples,) of counts (resamples, bins), by the middle of their bin."""
    below = np.cumsum(counts, axis=-1, dtype=np.float64)
    bins = (below >= q * below[:, -1:]).argmax(axis=-1)
    return np.asarray((edges[bins] + edges[bins + 1]) / 2.0)
