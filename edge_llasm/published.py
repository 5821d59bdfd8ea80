"""Where bundles are published: the names that `edge-llasm pull` knows, and folders on the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from edge_llasm.bundle import Bundle
from edge_llasm.download import Remote, read, require_safe
from edge_llasm.errors import BundleError, DownloadError, UnknownModel
from edge_llasm.manifest import BundleFile

__all__ = ["KNOWN", "HttpFolder", "Origin", "find_origin"]

KNOWN: Mapping[str, str] = {}
"""A bundle's name -> OWNER/REPO or address; models/README.md says how to get into this table."""

_FORMS = "give a name, OWNER/REPO of the Hub, or the https:// address of a folder that holds a bundle.toml"


class Origin(Protocol):
    """A folder somewhere else that holds a bundle."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """A small file of at most `limit` bytes. Raises DownloadError."""
        ...

    def remote(self, file: BundleFile) -> Remote:
        """Where a file of the manifest is fetched from."""
        ...


@dataclass(frozen=True)
class HttpFolder:
    """A folder of any web server."""

    name: str
    """its address, without a slash at the end"""

    def read(self, name: str, limit: int) -> bytes:
        return read(self._url(name), limit)

    def remote(self, file: BundleFile) -> Remote:
        return Remote(self._url(file.name), file.size, file.sha256)

    def _url(self, name: str) -> str:
        return f"{self.name}/{quote(name)}"


def find_origin(source: str) -> Origin:
    """NAME, OWNER/REPO or an address -> the folder. Raises UnknownModel, BundleError, DownloadError."""
    source = KNOWN.get(source, source)
    if "://" in source:
        require_safe(source)
        parts = urlsplit(source)
        if parts.query or parts.fragment:
            raise DownloadError(f"{source} is not a folder's address: give it without ? and #")
        return HttpFolder(source.removesuffix("/bundle.toml").rstrip("/"))
    if "/" in source:
        from edge_llasm.hub import find_repo, is_repo_id

        if not is_repo_id(source):
            raise DownloadError(f"{source} is not a repository of the Hub: {_FORMS}")
        return find_repo(source)
    for bundle in Bundle.available():
        if bundle.name == source:
            raise BundleError(f"{source} is here already, in {bundle.path}: there is nothing to fetch")
    known = ", ".join(sorted(KNOWN)) or "none is published yet"
    raise UnknownModel(f"no published model is called {source!r} (known: {known}); {_FORMS}")
