"""LoRA through peft on our plain module: wrap, train, save with the backbone's hash. `reason.adapter` merges it again without peft.

What peft does quietly and is refused or avoided here: "all-linear" adapts heads too (a regex names the blocks' matrices alone); a tied
target merges wrongly (no target may share its storage); weights used by a function instead of their module are bypassed (microgpt
calls its Linears); modules in `modules_to_save` are copies (the optimiser is made after wrapping); A is drawn from the global
generator (drawn anew from ours).
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from whyway.reason.adapter import CONFIG, META, TENSORS, AdapterMeta
from whyway.reason.checkpoint import HEAD, replacing
from whyway.reason.manifest import FORMAT, Made, Versions, file_of, versions_here, write_json
from whyway.reason.microgpt import MicroGPT
from whyway.reason.tensors import Weights, tensor_bytes
from whyway.types import InputError

MATRICES = ("qkv", "proj", "up", "down")
"""All of the blocks: adapting attention alone is worse at equal size (LoRA Without Regret)."""


def targets(matrices: Sequence[str] = MATRICES) -> str:
    """The pattern of what is adapted."""
    return rf"blocks\.\d+\.({'|'.join(matrices)})"


def adapt(
    model: MicroGPT,
    rank: int,
    alpha: int,
    generator: torch.Generator,
    whole: Sequence[str] = (),
    matrices: Sequence[str] = MATRICES,
) -> PeftModel:
    """The model with adapters on its blocks; everything else is frozen. At first it computes what it did before.

    Args:
      model: is changed in place, as peft does; make optimisers afterwards.
      rank: of the adapters.
      alpha: they count alpha / rank times.
      generator: draws the matrices A.
      whole: modules trained whole beside the adapters, e.g. "lm_head".
      matrices: of each block, those that are adapted.

    Raises:
      InputError: a module that is not there, or a target that shares its weights with another parameter.
    """
    modules = dict(model.named_modules())
    for name in whole:
        if name not in modules:
            raise InputError(f"--lora-whole {name}: the model has no such module; e.g. lm_head")
    if not matrices or set(matrices) - set(MATRICES):
        raise InputError(f"--lora-matrices: some of {', '.join(MATRICES)}")
    refuse_shared(model)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=targets(matrices),
        modules_to_save=list(whole) or None,
    )
    wrapped = get_peft_model(model, config)
    assert isinstance(wrapped, PeftModel)
    for name, p in sorted(wrapped.named_parameters()):
        if ".lora_A." in name:
            nn.init.kaiming_uniform_(p, a=math.sqrt(5.0), generator=generator)
    return wrapped


def refuse_shared(model: nn.Module) -> None:
    """Refuse targets that share their storage: merging would write into the other one, too, and peft does not warn.

    Raises:
      InputError: names the two.
    """
    owners: dict[int, str] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        other = owners.setdefault(p.untyped_storage().data_ptr(), name)
        target = any(re.fullmatch(targets(), n.removesuffix(".weight")) for n in (name, other))
        if other != name and target:
            raise InputError(f"LoRA cannot adapt {name}: it shares its weights with {other}")


def save_adapter(
    folder: Path,
    model: PeftModel,
    made: Made,
    *,
    base_uri: str,
    base_sha256: str,
    head: Weights | None = None,
    versions: Versions | None = None,
) -> Path:
    """Write a LoRA checkpoint whole or not at all.

    Args:
      folder: where to.
      model: as `adapt` gave it, trained.
      made: how it came to be.
      base_uri: name or folder of the backbone's model.
      base_sha256: hash of the backbone's weights.
      head: of a waypoint head trained with it; the backbone's is used if None.
      versions: what it was made for; those of this code if None.
    """
    contents = _peft_files(model)
    if head is not None:
        contents[HEAD] = tensor_bytes(head)
    files = {name: file_of(data) for name, data in contents.items()}
    meta = AdapterMeta(FORMAT, base_uri, base_sha256, versions or versions_here(), made, files)
    with replacing(folder) as fresh:
        for name, data in contents.items():
            (fresh / name).write_bytes(data)
        write_json(fresh / META, meta)
    return folder


def _peft_files(model: PeftModel) -> dict[str, bytes]:
    """What peft saves, the same bytes every time."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        files = {name: (Path(folder) / name).read_bytes() for name in (CONFIG, TENSORS)}
    config = json.loads(files[CONFIG])
    files[CONFIG] = (json.dumps(_ordered(config), indent=1, sort_keys=True) + "\n").encode()
    return files


def _ordered(config: Mapping[str, object]) -> dict[str, object]:
    """Peft keeps some settings as sets, whose order is another one in every process."""
    return {k: sorted(v) if isinstance(v, list) else v for k, v in config.items()}


def trainable_share(model: nn.Module) -> float:
    """Numbers that are trained, of all the backbone has."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    backbone = sum(
        p.numel()
        for name, p in model.named_parameters()
        if ".lora_" not in name and "modules_to_save" not in name
    )
    return float(np.float64(trained) / backbone)
