"""LoRA: nothing changes at first, only adapters are trained, and merging with numpy gives what peft gives."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from training.lora import adapt, refuse_shared, save_adapter, targets, trainable_share
from whyway.reason.checkpoint import load_model, save_model
from whyway.reason.manifest import Made, ModelError, Versions
from whyway.reason.masks import attention_mask
from whyway.reason.microgpt import MicroGPT, load_weights, optimiser, weights_of
from whyway.reason.parameters import parameter_count, weights_sha256
from whyway.reason.spec import PREFIX_ROWS, ROWS, ModelSpec
from whyway.trace.sequence import MASK
from whyway.types import InputError

HERE = Versions("v" * 64, "7", "s" * 64)
SPEC = ModelSpec(2, tuple((kind, 4) for kind in ROWS))
MADE = Made("reasoning")
B, N, Q = 3, 12, 6


def model(seed: int = 0) -> MicroGPT:
    return MicroGPT(SPEC, torch.Generator().manual_seed(seed))


def run(module: torch.nn.Module, seed: int = 1) -> torch.Tensor:
    """Logits (B, Q, V) of a made batch."""
    draw = torch.Generator().manual_seed(seed)
    features = {k: torch.randn(B, rows, 4, generator=draw) for k, rows in ROWS.items()}
    tokens = torch.randint(2, 512, (B, N), generator=draw)
    tokens[:, N - Q :] = MASK
    fields, slots = (torch.randint(0, n, (B, N), generator=draw) for n in (64, 48))
    valid = np.ones((B, PREFIX_ROWS), dtype=bool)
    blocks = np.arange(N - Q)[None].repeat(B, axis=0)
    mask = attention_mask(valid, blocks, blocks[:, :Q])
    with torch.inference_mode():
        return module(
            features, torch.from_numpy(valid), tokens, fields, slots, torch.from_numpy(mask), Q
        )


def trained(module: torch.nn.Module, steps: int = 3) -> None:
    """A few steps along random gradients, so that B is no longer zero."""
    draw = torch.Generator().manual_seed(2)
    learnt = [p for p in module.parameters() if p.requires_grad]
    optimizer = optimiser(module, 0.0, lr=0.02)
    for _ in range(steps):
        for p in learnt:
            p.grad = torch.randn(p.shape, generator=draw)
        optimizer.step()


def test_at_first_an_adapted_model_computes_what_it_did_before() -> None:
    before = run(model())
    wrapped = adapt(model(), 8, 32, torch.Generator().manual_seed(3))
    assert torch.equal(run(wrapped), before)


def test_only_the_matrices_of_blocks_are_adapted_and_only_adapters_are_trained() -> None:
    wrapped = adapt(model(), 8, 32, torch.Generator().manual_seed(3))
    learnt = [name for name, p in wrapped.named_parameters() if p.requires_grad]
    modules = {re.sub(r"^base_model\.model\.|\.lora_[AB].*$", "", name) for name in learnt}
    assert len(modules) == 4 * SPEC.depth and all(re.fullmatch(targets(), m) for m in modules)
    frozen = {n: p.detach().clone() for n, p in wrapped.named_parameters() if not p.requires_grad}
    trained(wrapped)
    now = dict(wrapped.named_parameters())
    assert all(torch.equal(now[name], p) for name, p in frozen.items())


def test_some_of_the_matrices_can_be_left_out() -> None:
    wrapped = adapt(model(), 8, 32, torch.Generator(), matrices=("qkv", "up"))
    learnt = {n for n, p in wrapped.named_parameters() if p.requires_grad}
    assert {n.split(".")[4] for n in learnt} == {"qkv", "up"}
    with pytest.raises(InputError, match="--lora-matrices"):
        adapt(model(), 8, 32, torch.Generator(), matrices=("lm_head",))


def test_the_adapters_follow_from_the_generator_alone() -> None:
    def drawn(seed: int, noise: int) -> list[torch.Tensor]:
        torch.manual_seed(noise)
        wrapped = adapt(model(), 4, 8, torch.Generator().manual_seed(seed))
        return [p.detach() for n, p in wrapped.named_parameters() if "lora_A" in n]

    assert all(torch.equal(a, b) for a, b in zip(drawn(1, 10), drawn(1, 11), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(drawn(1, 10), drawn(2, 10), strict=True))


@pytest.mark.parametrize("whole", [(), ("lm_head",)])
def test_merging_with_numpy_gives_what_peft_gives_and_what_it_computed_unmerged(
    tmp_path: Path, whole: tuple[str, ...]
) -> None:
    base = model()
    weights = weights_of(base)
    save_model(tmp_path / "base", SPEC, weights, {}, MADE, versions=HERE)
    wrapped = adapt(base, 8, 32, torch.Generator().manual_seed(3), whole)
    trained(wrapped)
    unmerged = run(wrapped)
    save_adapter(
        tmp_path / "a", wrapped, MADE, base_uri="../base", base_sha256=weights_sha256(weights), versions=HERE
    )  # fmt: skip
    ours = load_model(tmp_path / "a", HERE)
    peft = weights_of(wrapped.merge_and_unload())  # type: ignore[operator]
    assert set(ours.weights) == set(peft)
    for name, array in peft.items():
        np.testing.assert_allclose(ours.weights[name], array, atol=1e-5, rtol=0, err_msg=name)
    changed = {name for name in peft if not np.array_equal(peft[name], weights[name])}
    assert changed == {n for n in weights if re.fullmatch(targets(), n[:-7]) or n[:-7] in whole}

    fresh = model(9)
    load_weights(fresh, ours.weights)
    assert float((run(fresh) - unmerged).abs().max()) < 1e-5
    assert float((run(fresh) - run(model())).abs().max()) > 0.1  # and it did learn something


def test_the_same_adapter_is_saved_as_the_same_bytes(tmp_path: Path) -> None:
    wrapped = adapt(model(), 4, 8, torch.Generator().manual_seed(3))
    sha = weights_sha256(weights_of(model()))
    for name in ("a", "b"):
        save_adapter(tmp_path / name, wrapped, MADE, base_uri="m", base_sha256=sha, versions=HERE)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_adapter_refuses_another_backbone(tmp_path: Path) -> None:
    base = model()
    sha = weights_sha256(weights_of(base))
    wrapped = adapt(base, 4, 8, torch.Generator().manual_seed(3))
    save_model(tmp_path / "base", SPEC, weights_of(model(1)), {}, MADE, versions=HERE)
    save_adapter(tmp_path / "a", wrapped, MADE, base_uri="../base", base_sha256=sha, versions=HERE)
    with pytest.raises(ModelError, match="trained on the backbone"):
        load_model(tmp_path / "a", HERE)


def test_a_target_that_shares_its_weights_is_refused() -> None:
    tied = model()
    tied.blocks[1].qkv.weight = tied.blocks[0].qkv.weight
    with pytest.raises(InputError, match="blocks.1.qkv.weight: it shares"):
        refuse_shared(tied)
    loose = model()
    loose.lm_head.weight = loose.token_embedding.weight  # neither is a target
    refuse_shared(loose)


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no such module"):
        adapt(model(), 4, 8, torch.Generator().manual_seed(0), ("value_head",))


def test_the_trainable_share_is_what_low_rank_matrices_have() -> None:
    spec = ModelSpec(3, tuple((kind, 32) for kind in ROWS))
    wrapped = adapt(MicroGPT(spec), 8, 32, torch.Generator().manual_seed(0))
    w = spec.width
    adapters = 3 * 8 * ((w + 3 * w) + (w + w) + 2 * (w + 4 * w))
    assert trainable_share(wrapped) == pytest.approx(adapters / parameter_count(spec))
