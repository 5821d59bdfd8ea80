"""Fetch a published bundle into the user's folder: its manifest first, then each file, then one rename."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edge_llasm.bundle import Bundle
from edge_llasm.download import Progress, fetch
from edge_llasm.errors import BundleError, DownloadError
from edge_llasm.installed import partial_folder, require_new
from edge_llasm.manifest import MANIFEST, MAX_MANIFEST_BYTES
from edge_llasm.published import Origin, find_origin
from edge_llasm.room import require_disk
from edge_llasm.verify import check_fit

__all__ = ["Published", "find_published", "install"]


@dataclass(frozen=True)
class Published:
    """A bundle that can be fetched."""

    origin: Origin
    bundle: Bundle
    """what its manifest says; its path is where it will be"""
    manifest: bytes = field(repr=False)
    partial: Path
    """the folder that holds what was fetched so far"""

    @property
    def missing(self) -> int:
        """Bytes still to be fetched."""
        there = (_size(self.partial / file.name) for file in self.bundle.files)
        return sum(max(0, file.size - n) for file, n in zip(self.bundle.files, there, strict=True))


def find_published(source: str) -> Published:
    """Read the manifest of NAME, OWNER/REPO or an https folder.

    Raises UnknownModel, DownloadError, and BundleError for a manifest that is not right or a name that is taken.
    """
    origin = find_origin(source)
    manifest = origin.read(MANIFEST, MAX_MANIFEST_BYTES)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / MANIFEST).write_bytes(manifest)
        try:
            bundle = Bundle.load(scratch)
        except BundleError as error:
            raise BundleError(str(error).replace(scratch, origin.name)) from error
    require_new(bundle.name)
    return Published(origin, bundle, manifest, partial_folder(bundle.name))


def install(published: Published, progress: Progress | None = None) -> Path:
    """Fetch what is missing, check it, and give it its name; what an earlier attempt fetched is used.

    Returns the model's folder. Raises NoRoom, DownloadError, and BundleError if parts do not fit or the name is taken.
    """
    bundle, partial = published.bundle, published.partial
    require_disk(partial, published.missing, bundle.name)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        for stale in {path.name for path in partial.iterdir()} - {file.name for file in bundle.files}:
            (partial / stale).unlink()
        (partial / MANIFEST).write_bytes(published.manifest)
    except OSError as error:
        raise DownloadError(f"cannot write {partial} ({error.strerror}): look at it, or remove it") from error
    for file in bundle.files:
        fetch(published.origin.remote(file), partial / file.name, progress)
    check_fit(Bundle.load(partial), new=True)
    return partial.rename(require_new(bundle.name))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
