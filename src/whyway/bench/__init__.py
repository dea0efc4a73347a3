"""How fast is it? Decisions, simulated steps and the model's decoding timed, for `whyway bench`. Besides the driver, the one place that reads clocks."""

from __future__ import annotations

from whyway.bench.decide import bench_decide, bench_world
from whyway.bench.reason import bench_reason
from whyway.bench.scenes import scenes_of_drives

__all__ = ["bench_decide", "bench_reason", "bench_world", "scenes_of_drives"]
