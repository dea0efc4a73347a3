"""microgpt in torch, op by op with a static cache: the reference of training, and what other backends' speed is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from whyway.reason import microgpt
from whyway.reason.backends import BackendInfo, Bools, Ints, Model, stacked
from whyway.reason.parameters import weights_sha256
from whyway.reason.spec import Float32s, ModelSpec, SceneTokens


class TorchBackend:
    """A `MicroGPT` and its cache on one device, in float32.

    Args:
      model: spec and weights.
      device: of torch; "cpu" or "cuda".
    """

    step_sizes: tuple[int, ...] = ()

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._model = microgpt.MicroGPT(model.spec)
        microgpt.load_weights(self._model, model.weights)
        self._model.eval().requires_grad_(False).to(self._device)
        self._cache: microgpt.Cache | None = None
        sha = weights_sha256(model.weights)
        self.info = BackendInfo("torch", torch.__version__, str(self._device), "fp32", sha)

    @property
    def spec(self) -> ModelSpec:
        """The size of the model."""
        return self._model.spec

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Forget everything and read scenes."""
        features, valid = stacked(batch)
        there = {kind: self._there(rows) for kind, rows in features.items()}
        self._cache = microgpt.prefill(self._model, there, self._there(valid))

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """One pass: see `Backend.step`."""
        assert self._cache is not None, "prefill first"
        there = [self._there(x) for x in (tokens, fields, slots, rows, mask)]
        logits = microgpt.step(self._model, self._cache, *there)
        found: Float32s = logits.float().cpu().numpy()
        return found

    def _there(self, x: Float32s | Ints | Bools) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x)).to(self._device)

    def close(self) -> None:
        """Give back the cache."""
        self._cache = None


def make(model: Model, device: str = "") -> TorchBackend:
    """See `backends.make_backend`; without a device, on the GPU if there is one."""
    return TorchBackend(model, device or ("cuda" if torch.cuda.is_available() else "cpu"))
