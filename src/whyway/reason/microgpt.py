"""microgpt in torch: parameters, forward, cache, loss, update, sampling. The whole model that is learnt, in one sitting.

Reads a scene as a set of rows and says a trace: for every position (field, slot) the probabilities of its tokens. A pre-norm transformer
(Vaswani et al., arXiv 1706.03762) with RMSNorm (1910.07467) and squared ReLU (Primer, 2109.08668), heads of 32, and no positional
encoding, since rows are a set and field and slot say what a position is. Names and shapes of the parameters: `reason.parameters`; who reads whom:
`reason.masks`. `reason.backends.numpy` is the same model without torch, and the oracle of this file.

Legend: B batch, P prefix rows (scene), N positions of a trace (values, then queries), Q queries, S positions of a pass, T cache rows,
K = P + N, W width, H heads, D width of a head, V vocabulary, F fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from whyway.reason.masks import CACHE_ROWS
from whyway.reason.parameters import NORM_EPS, check_parameters, parameter_shapes
from whyway.reason.spec import HEAD_WIDTH, PREFIX_ROWS, ROW_OF_SLOT, ROWS, ModelSpec

Store = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes the keys and values (B, H, S, D) of a pass, gives those to attend to."""

# ------------------------------------------------------------------------------------------------------- parameters


class RMSNorm(nn.Module):
    """gain * x / sqrt(mean(x^2) + eps), in float32 whatever comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x_W: Tensor) -> Tensor:
        """(..., W) -> (..., W)."""
        return functional.rms_norm(x_W, self.weight.shape, self.weight, NORM_EPS)


class Encoder(nn.Module):
    """Rows of one kind of scene token -> the residual stream's width; the same for every row, so their order does not matter."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(features, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, rows, features) -> (B, rows, W)."""
        out: Tensor = self.down(functional.relu(self.up(rows)))
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); no biases."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        w = spec.width
        self.attention_norm = RMSNorm(w)
        self.qkv = nn.Linear(w, 3 * w, bias=False)
        self.proj = nn.Linear(w, w, bias=False)
        self.mlp_norm = RMSNorm(w)
        self.up = nn.Linear(w, spec.hidden, bias=False)
        self.down = nn.Linear(spec.hidden, w, bias=False)

    def forward(self, x: Tensor, mask: Tensor, store: Store | None = None) -> Tensor:
        """One layer.

        Args:
          x: (B, S, W)
          mask: (B, 1, S, keys) bool, True where a row attends.
          store: puts this pass's keys and values into a cache and gives all of it; without one, rows attend to each other.
        """
        q, k, v = self.qkv(self.attention_norm(x)).unflatten(-1, (3, -1, HEAD_WIDTH)).unbind(-3)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, S, D)
        if store is not None:
            k, v = store(k, v)
        mixed = attend(q, k, v, mask)
        x = x + self.proj(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.down(functional.relu(self.up(self.mlp_norm(x))).square())
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention: (B, H, S, D) queries, (B, H, keys, D) keys and values, (B, 1, S, keys) mask -> (B, H, S, D)."""
    if q.is_cuda or not torch.is_grad_enabled():
        fused: Tensor = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return fused
    # written out: a training step on a CPU is 1.8 times as fast as with the fused kernel, whose backward pass is slow in bfloat16
    with torch.autocast(q.device.type, enabled=False):
        scores = (q * HEAD_WIDTH**-0.5) @ k.transpose(-1, -2)
        mixed: Tensor = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1) @ v
        return mixed


class MicroGPT(nn.Module):
    r"""Parameters, and the forward pass of training. Decoding goes through `prefill` and `step`.

    peft adapts the blocks' matrices: target_modules=r"blocks\.\d+\.(qkv|proj|up|down)".
    """

    row_of_slot: Tensor
    slot_of_row: Tensor

    def __init__(self, spec: ModelSpec, generator: torch.Generator | None = None) -> None:
        """A model of this size, freshly initialised; without a generator, as with one of seed 0."""
        super().__init__()
        self.spec = spec
        w = spec.width
        self.encoders = nn.ModuleDict({kind: Encoder(n, w) for kind, n in spec.feature_counts})
        self.token_embedding = nn.Embedding(spec.vocabulary_size, w)
        self.field_embedding = nn.Embedding(spec.field_count, w)
        self.slot_embedding = nn.Embedding(spec.slot_count, w)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.depth))
        self.final_norm = RMSNorm(w)
        self.lm_head = nn.Linear(w, spec.vocabulary_size, bias=False)
        row_of_slot = torch.from_numpy(ROW_OF_SLOT)
        self.register_buffer("row_of_slot", row_of_slot, persistent=False)
        slot_of_row = torch.full((PREFIX_ROWS,), -1)
        with_row = row_of_slot < PREFIX_ROWS
        slot_of_row[row_of_slot[with_row]] = with_row.nonzero()[:, 0]
        self.register_buffer("slot_of_row", slot_of_row, persistent=False)
        initialise(self, generator or torch.Generator().manual_seed(0))

    def forward(
        self,
        features: Mapping[str, Tensor],
        valid: Tensor,
        tokens: Tensor,
        fields: Tensor,
        slots: Tensor,
        mask: Tensor,
        queries: int,
    ) -> Tensor:
        """Whole traces at once, each query reading true values: teacher forcing.

        Args:
          features: kind -> (B, rows, features). Objects are the last of the scene's rows: a batch may leave out those that it does
            not use, and P is then less than `PREFIX_ROWS`, in `valid` and in the mask, too.
          valid: (B, P) bool, rows in use.
          tokens: (B, N) values, then queries, which hold `MASK`.
          fields: (B, N)
          slots: (B, N)
          mask: (B, K, K) bool from `masks.attention_mask`.
          queries: Q, how many of the last positions are asked.

        Returns:
          (B, Q, V) logits, before the grammar's mask.
        """
        scene, prefix = encode_scene(self, features, valid)
        x = torch.cat([prefix, embed(self, tokens, fields, slots, scene)], dim=1)
        for block in self.blocks:
            x = block(x, mask[:, None])
        logits: Tensor = self.lm_head(self.final_norm(x[:, x.shape[1] - queries :]))
        return logits


@torch.no_grad()
def initialise(model: MicroGPT, generator: torch.Generator) -> None:
    """Draw all parameters anew, in the order of their table: the same numbers for the same generator on every machine.

    Matrices keep the variance of what goes in. What blocks add to the residual stream starts small, as GPT-2's does (Radford et al. 2019),
    and so do the logits: the first guesses are nearly even.
    """
    residual = 1.0 / math.sqrt(2.0 * model.spec.depth)
    for name, p in sorted_parameters(model):
        if name.endswith("norm.weight"):
            p.fill_(1.0)
        elif name.endswith("bias"):
            p.zero_()
        elif "embedding" in name:
            p.normal_(0.0, 0.5, generator=generator)
        else:
            scale = 1.0 / math.sqrt(p.shape[1])
            if name.startswith("encoders"):
                scale *= math.sqrt(2.0)  # ReLU halves the variance (He et al., 1502.01852)
            elif name.endswith(("proj.weight", "down.weight")):
                scale *= residual
            elif name == "lm_head.weight":
                scale *= 0.1
            p.normal_(0.0, scale, generator=generator)


def sorted_parameters(model: MicroGPT) -> list[tuple[str, nn.Parameter]]:
    """Name and parameter in the order of `parameters.parameter_shapes`."""
    own = dict(model.named_parameters())
    return [(name, own[name]) for name in parameter_shapes(model.spec)]


def load_weights(model: MicroGPT, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Take over weights by name.

    Raises:
      InputError: they are not those of a model of this size.
    """
    check_parameters(model.spec, weights)
    model.load_state_dict({name: torch.tensor(np.asarray(w)) for name, w in weights.items()})


def weights_of(model: MicroGPT) -> dict[str, NDArray[np.float32]]:
    """The weights by name, as float32 arrays of their own."""
    return {
        name: p.detach().to("cpu", torch.float32, copy=True).numpy()
        for name, p in sorted_parameters(model)
    }


# --------------------------------------------------------------------------------------------------------- forward


def encode_scene(
    model: MicroGPT, features: Mapping[str, Tensor], valid: Tensor
) -> tuple[Tensor, Tensor]:
    """The rows of a scene as vectors.

    Returns:
      (B, PREFIX_ROWS + 1, W) what positions carry of the row behind their slot: rows not in use and the last, `NO_ROW`, are zero; and
      (B, P, W) what goes into the first layer: the same, and for objects and lines their slot's embedding.
    """
    rows = torch.cat([model.encoders[kind](features[kind]) for kind in ROWS], dim=1)
    rows = rows * valid[..., None]
    scene = functional.pad(rows, (0, 0, 0, PREFIX_ROWS + 1 - rows.shape[1]))
    slot_of_row = model.slot_of_row[: rows.shape[1]]
    slots = model.slot_embedding(slot_of_row.clamp(min=0)) * (slot_of_row >= 0)[:, None]
    return scene, rows + slots


def embed(model: MicroGPT, tokens: Tensor, fields: Tensor, slots: Tensor, scene: Tensor) -> Tensor:
    """(B, N) token, field and slot, and the scene rows of `encode_scene` -> (B, N, W) the sum of all four."""
    row = model.row_of_slot[slots][..., None].expand(-1, -1, scene.shape[-1])
    behind = scene.gather(1, row)
    named = model.token_embedding(tokens) + model.field_embedding(fields)
    out: Tensor = named + model.slot_embedding(slots) + behind
    return out


# ----------------------------------------------------------------------------------------------------------- cache


@dataclass(slots=True)
class Cache:
    """What passes leave for later ones; static, so that nothing grows while driving."""

    keys: Tensor
    """(layers, B, H, T, D)"""
    values: Tensor
    scene: Tensor
    """(B, P + 1, W) of `encode_scene`."""


@torch.inference_mode()
def prefill(model: MicroGPT, features: Mapping[str, Tensor], valid: Tensor) -> Cache:
    """Read scenes: a cache with their rows in its first P rows."""
    scene, x = encode_scene(model, features, valid)
    shape = (model.spec.depth, x.shape[0], model.spec.heads, CACHE_ROWS, HEAD_WIDTH)
    cache = Cache(x.new_zeros(shape), x.new_zeros(shape), scene)
    rows = torch.arange(PREFIX_ROWS, device=x.device).expand(x.shape[:2])
    mask = functional.pad(valid, (0, CACHE_ROWS - PREFIX_ROWS))[:, None, None]
    for layer, block in enumerate(model.blocks):
        x = block(x, mask, _storing(cache, layer, rows))
    return cache


@torch.inference_mode()
def step(
    model: MicroGPT,
    cache: Cache,
    tokens: Tensor,
    fields: Tensor,
    slots: Tensor,
    rows: Tensor,
    mask: Tensor,
) -> Tensor:
    """One pass: (B, S) positions, written to the cache's `rows` (B, S), reading those of `mask` (B, S, T) -> logits (B, S, V)."""
    x = embed(model, tokens, fields, slots, cache.scene)
    for layer, block in enumerate(model.blocks):
        x = block(x, mask[:, None], _storing(cache, layer, rows))
    logits: Tensor = model.lm_head(model.final_norm(x))
    return logits


def _storing(cache: Cache, layer: int, rows: Tensor) -> Store:
    def store(k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        at = rows[:, None, :, None].expand(k.shape)
        return cache.keys[layer].scatter_(2, at, k), cache.values[layer].scatter_(2, at, v)

    return store


# ------------------------------------------------------------------------------------------------ loss and sampling


@dataclass(frozen=True, slots=True)
class LossRules:
    """What the vocabulary says about fields, on the model's device."""

    allowed: Tensor
    """(F, V) bool, tokens a field may have."""
    numbers: Tensor
    """(F, V) bool, those of them that are bins of a number (`vocabulary.number_tokens`): they have neighbours, others have none."""
    weights: Tensor
    """(F,) how much a field counts."""
    smoothing_bins: float = 1.0
    """Standard deviation of the target over neighbouring bins; 0: only the true one."""

    def __post_init__(self) -> None:
        assert self.numbers.shape == self.allowed.shape, "numbers: (F, V), as allowed"


@dataclass(frozen=True, slots=True)
class Loss:
    """A batch's loss, and what it says of each field. Sums, so that batches and processes can be added up."""

    mean: Tensor
    """Scalar: weighted mean over positions; what is learnt from."""
    sums: Tensor
    """(F,) unweighted sum of cross-entropies by field."""
    hits: Tensor
    """(F,) positions whose most probable token is the true one."""
    counts: Tensor
    """(F,) positions."""


def log_probabilities(logits: Tensor, fields: Tensor, allowed: Tensor) -> Tensor:
    """(..., V) logits of fields (...,) -> log-probabilities among the tokens the field may have; -inf for the others."""
    masked = logits.float().masked_fill(~allowed[fields], -torch.inf)
    return masked.log_softmax(dim=-1)


def loss(logits: Tensor, fields: Tensor, targets: Tensor, rules: LossRules) -> Loss:
    """Cross-entropy over the tokens the grammar allows, with neighbouring bins of numbers counting in part.

    Args:
      logits: (B, Q, V)
      fields: (B, Q)
      targets: (B, Q) true tokens; negative: not asked (padding, lists that ended).
      rules: of the vocabulary.
    """
    asked = targets >= 0
    fields, targets = fields[asked], targets[asked]  # (n,)
    log_p = log_probabilities(logits[asked], fields, rules.allowed)
    near, share = _soft_targets(fields, targets, rules)
    # 0 * -inf is no number: what is not allowed has no share, and is not looked at
    cross = -(share * log_p.gather(1, near).masked_fill(share == 0.0, 0.0)).sum(dim=1)
    weights = rules.weights[fields]

    def by_field(values: Tensor) -> Tensor:
        return torch.zeros_like(rules.weights).index_add_(0, fields, values.to(rules.weights))

    hits = log_p.detach().argmax(dim=1) == targets
    return Loss(
        (weights * cross).sum() / weights.sum().clamp(min=1e-9),
        by_field(cross.detach()),
        by_field(hits),
        by_field(torch.ones_like(hits)),
    )


def _soft_targets(fields: Tensor, targets: Tensor, rules: LossRules) -> tuple[Tensor, Tensor]:
    """Tokens near the true ones (n, k) and their shares (n, k): a Gaussian over bins, cut off where the field's tokens end."""
    sigma = max(rules.smoothing_bins, 1e-6)
    reach = math.ceil(3.0 * rules.smoothing_bins)
    offsets = torch.arange(-reach, reach + 1, device=targets.device)
    near = targets[:, None] + offsets
    on_scale = (near >= 0) & (near < rules.numbers.shape[1])
    near = near.clamp(0, rules.numbers.shape[1] - 1)
    numbers = rules.numbers[fields]
    neighbour = on_scale & numbers.gather(1, near) & numbers.gather(1, targets[:, None])
    inside = neighbour | (offsets == 0)
    share = torch.exp(-0.5 * (offsets / sigma).square()) * inside
    return near, share / share.sum(dim=1, keepdim=True)


def sample(log_p: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """(..., V) log-probabilities -> (...) tokens: the most probable ones at temperature 0, else drawn."""
    if temperature <= 0.0:
        return log_p.argmax(dim=-1)
    p = (log_p / temperature).softmax(dim=-1)
    return torch.multinomial(p.flatten(0, -2), 1, generator=generator).view(p.shape[:-1])


# ---------------------------------------------------------------------------------------------------------- update


def optimiser(model: nn.Module, weight_decay: float, *, lr: float = 1e-3) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) over what is to be learnt; only matrices decay, not embeddings, gains and biases."""
    learnt = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in learnt if p.ndim == 2 and "embedding" not in name]
    others = [p for name, p in learnt if p.ndim != 2 or "embedding" in name]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)


def learning_rate(done: int, steps: int, *, peak: float, warmup: int, last: float = 0.1) -> float:
    """Rises linearly over `warmup` steps, then falls along a cosine to `last` of the peak at `steps`."""
    if done < warmup:
        return peak * (done + 1) / warmup
    progress = min((done - warmup) / max(steps - warmup, 1), 1.0)
    return peak * (last + (1.0 - last) * 0.5 * (1.0 + math.cos(math.pi * progress)))


def update(
    parameters: Iterable[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    *,
    lr: float,
    clip: float = 1.0,
) -> float:
    """One step along the gradients that lie there, cut to the norm `clip`; clears them and gives their norm before.

    A norm that is no number changes nothing: the step is left out, and the caller sees it.
    """
    norm = float(nn.utils.clip_grad_norm_(parameters, clip))
    if math.isfinite(norm):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
