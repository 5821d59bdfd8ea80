"""Build hook: models/nano's bundle rides in the wheel as edge_llasm/bundles/nano.

Only the files that its bundle.toml names, the card and the demo recordings:
nothing that training left beside them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "nano"


class BundleHook(BuildHookInterface):  # type: ignore[misc]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # a checkout finds models/ beside the package
        folder = Path(self.root) / "models" / NAME
        names = tomllib.loads((folder / "bundle.toml").read_text(encoding="utf-8"))["files"]
        recordings = [f"demo/{path.name}" for path in sorted((folder / "demo").glob("*.ogg"))]
        for name in ["bundle.toml", "README.md", *names, *recordings]:
            build_data["force_include"][str(folder / name)] = f"edge_llasm/bundles/{NAME}/{name}"
