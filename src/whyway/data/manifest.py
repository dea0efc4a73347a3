"""`manifest.json`, which says what a data set is; reading it refuses what this version cannot use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whyway.data.recipe import DataError
from whyway.data.schema import Versions

MANIFEST, CARD = "manifest.json", "card.md"


def read_manifest(folder: Path) -> dict[str, Any]:
    """A data set's manifest, of our versions.

    Raises:
      DataError: there is none, or one of other versions.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        shards, versions = manifest["shards"], manifest["versions"]
    except OSError:
        raise DataError(
            f"{path}: no such file; make a data set: whyway data make --out {folder}"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: is no manifest of a data set; make it anew") from None
    if not isinstance(shards, list) or not all(
        isinstance(s, dict) and {"file", "sha256", "rows", "split"} <= s.keys() for s in shards
    ):
        raise DataError(f"{path}: tells of no shards; make it anew")
    Versions.of_json(versions, str(path)).check(str(folder))
    return dict(manifest)
