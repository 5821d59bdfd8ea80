"""JSON files of a checkpoint."""

import json
from pathlib import Path
from typing import Any

from convert.errors import ConvertError


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises ConvertError when the file is missing or is something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConvertError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConvertError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConvertError(f"{path} is not a JSON object")
    return value
