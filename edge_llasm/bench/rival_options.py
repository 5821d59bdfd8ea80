"""The options that every rival has, and the files that they name."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_llasm.cores import physical_cores
from edge_llasm.errors import BundleError

__all__ = ["parser", "require"]


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """--model, --rival and --threads."""
    result = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog=f"example:\n  python -m {module} --model OUT/bundle --rival OUT/rival",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--model", required=True, metavar="BUNDLE", help="a bundle's folder or its name")
    result.add_argument(
        "--rival",
        type=Path,
        required=True,
        metavar="DIR",
        help="OUT/rival of python -m convert.rivals.files OUT",
    )
    result.add_argument(
        "--threads",
        type=int,
        default=physical_cores(),
        metavar="N",
        help="of every stage (default: %(default)s, the physical cores)",
    )
    return result


def require(path: Path) -> Path:
    """A file or folder that is there. Raises BundleError."""
    if not path.exists():
        raise BundleError(f"{path} is missing: write it by python -m convert.rivals.files")
    return path
