"""The user's own models: a folder each, and a hidden one for each that is not there completely."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from edge_llasm.bundle import Bundle, search_path
from edge_llasm.errors import BundleError, UnknownModel
from edge_llasm.manifest import MANIFEST

__all__ = ["find_installed", "models_folder", "partial_folder", "remove", "require_new"]


def models_folder() -> Path:
    """The folder of the user's own models; need not exist."""
    return search_path()[0]


def partial_folder(name: str) -> Path:
    """Where the model `name` grows while it is fetched; no model to anybody who looks for one."""
    return models_folder() / f".{_plain(name)}.part"


def require_new(name: str) -> Path:
    """The folder of a model that is not installed yet. Raises BundleError if it is, or the name is none."""
    folder = models_folder() / _plain(name)
    if folder.is_symlink() or folder.exists():
        raise BundleError(f"{name} is installed already in {folder}: run edge-llasm rm {name} first")
    return folder


def find_installed(name: str) -> Path:
    """The user's folder of a model, by the folder's name or the manifest's; it may be half there.

    Raises UnknownModel, and BundleError for a model that stands elsewhere.
    """
    place = models_folder()
    if (place / _plain(name) / MANIFEST).is_file() or (place / name).is_symlink():
        return place / name
    elsewhere = None
    for bundle in Bundle.available():
        if bundle.name == name and bundle.path.parent == place:
            return bundle.path
        if bundle.name == name:
            elsewhere = bundle
    if partial_folder(name).is_dir():
        return partial_folder(name)
    if (place / name).exists():
        raise BundleError(
            f"{place / name} is no model, it has no {MANIFEST}: look at it and remove it by hand"
        )
    if elsewhere is not None:
        raise BundleError(f"{elsewhere.path} is not removed: only models in {place} are")
    raise UnknownModel(f"no model in {place} is called {name!r}: edge-llasm models lists them")


def remove(folder: Path) -> None:
    """Remove a folder that `find_installed` gave, and what was fetched of it; a link, but not what it points to."""
    if folder.is_symlink():
        folder.unlink()
        return
    partial = folder if folder.name.startswith(".") else partial_folder(folder.name)
    if folder != partial:
        if partial.exists():
            shutil.rmtree(partial)
        folder.rename(partial)  # from here on it is no model, however this ends
    shutil.rmtree(partial)


def _plain(name: str) -> str:
    """A name that is a folder's name on every system, and never hidden. Raises BundleError."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise BundleError(f"{name!r} is no model's name: letters, digits, _, - and . are, and no . first")
    return name
