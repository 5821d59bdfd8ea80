"""A repository of the Hub at one commit: what it holds, and where its files are. The one user of huggingface_hub.

huggingface_hub looks up, authorizes, and keeps the cache that other programs share; it obeys HF_ENDPOINT,
HF_HUB_OFFLINE, HF_HUB_CACHE and HF_TOKEN. Large files are fetched by download.py, because huggingface_hub 2
throws an unfinished file away, and compares no checksum when it fetches over HTTP.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_llasm.download import Progress, Remote, fetch
from edge_llasm.errors import DownloadError
from edge_llasm.manifest import BundleFile

__all__ = ["Repo", "RepoFile", "find_repo", "is_repo_id"]

UNKNOWN = "unknown"
"""The licence of a repository whose card names none"""


@dataclass(frozen=True)
class RepoFile:
    """One file of a repository."""

    name: str
    size: int
    """bytes"""
    sha256: str | None
    """None for a small file, which is kept in git itself"""


@dataclass(frozen=True)
class Repo:
    """A repository at one commit."""

    name: str
    """OWNER/NAME"""
    commit: str
    """40 hexadecimal digits"""
    licence: str
    """as the card's metadata gives it, UNKNOWN if it does not"""
    files: Mapping[str, RepoFile] = field(repr=False)
    folder: Path | None = None
    """in the cache; known offline, where nothing but the folder is"""

    @property
    def cache(self) -> Path:
        """The folder of all repositories that were fetched; need not exist."""
        return Path(_library().constants.HF_HUB_CACHE)

    def read(self, name: str, limit: int) -> bytes:
        """A small file of at most `limit` bytes. Raises DownloadError."""
        if name not in self.files or self.files[name].size > limit:
            raise DownloadError(f"{self.name} lacks {name}, or it is too long: is it the right repository?")
        return self.small_file(name).read_bytes()

    def small_file(self, name: str) -> Path:
        """Where the cache keeps a file, fetched if it is not there. Raises DownloadError."""
        hub = _library()
        with _translated(self.name):
            return Path(hub.hf_hub_download(self.name, name, revision=self.commit))

    def remote(self, file: BundleFile | RepoFile) -> Remote:
        """Where a large file is fetched from. Raises DownloadError offline."""
        if file.sha256 is None:
            raise ValueError(f"{file.name} has no checksum")
        hub = _library()
        if hub.constants.is_offline_mode():
            raise DownloadError(f"HF_HUB_OFFLINE forbids to fetch {self.name}'s {file.name}: unset that")
        url = hub.hf_hub_url(self.name, file.name, revision=self.commit)
        return Remote(url, file.size, file.sha256, hub.utils.build_hf_headers())

    def missing(self, file: RepoFile) -> int:
        """Bytes that the cache still lacks of a file."""
        there = [
            path for path in (self._blob(file), self._partial(file)) if path is not None and path.is_file()
        ]
        return max(0, file.size - there[0].stat().st_size) if there else file.size

    def large_file(self, file: RepoFile, progress: Progress | None = None) -> Path:
        """Where the cache keeps a file, fetched or fetched further if it is not there. Raises DownloadError."""
        blob, partial = self._blob(file), self._partial(file)
        if blob is not None and partial is not None and not blob.exists():
            with _translated(self.name):
                blob.parent.mkdir(parents=True, exist_ok=True)
            fetch(self.remote(file), partial, progress)
            os.replace(partial, blob)
        elif progress is not None:
            progress(file.size)
        return self.small_file(file.name)  # finds the content there, and gives it its name

    def _blob(self, file: RepoFile) -> Path | None:
        """Where the cache keeps the content of a file with a checksum."""
        hub = _library()
        folder = hub.file_download.repo_folder_name(repo_id=self.name, repo_type="model")
        return Path(self.cache, folder, "blobs", file.sha256) if file.sha256 else None

    def _partial(self, file: RepoFile) -> Path | None:
        blob = self._blob(file)
        return blob and blob.with_name(f"{blob.name}.edge-llasm.incomplete")


def is_repo_id(text: str) -> bool:
    """Whether `text` has the form OWNER/NAME."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text, re.ASCII) is not None


def find_repo(name: str, revision: str | None = None) -> Repo:
    """Look OWNER/NAME up at a branch, tag or commit, the main branch by default. Raises DownloadError.

    Offline (HF_HUB_OFFLINE=1), the result is what the cache holds.
    """
    hub = _library()
    api = hub.HfApi()
    with _translated(name, revision):
        if hub.constants.is_offline_mode():
            folder = Path(hub.snapshot_download(name, revision=revision, local_files_only=True))
            return Repo(name, folder.name, _cached_licence(folder), {}, folder)
        commit = api.resolve_revision(name, revision=revision).resolved  # remembered for a later run offline
        info = api.model_info(name, revision=commit, files_metadata=True)
    files = {file.rfilename: _file(file) for file in info.siblings or ()}
    return Repo(name, info.sha, _licence(info.card_data), files)


def _file(sibling: Any) -> RepoFile:
    digest = sibling.lfs.sha256 if sibling.lfs else ""
    plain = re.fullmatch(r"[0-9a-f]{64}", digest)  # it becomes a file's name
    return RepoFile(sibling.rfilename, sibling.size or 0, digest if plain else None)


def _licence(card: Any) -> str:
    licence: str | list[str] | None = getattr(card, "license", None)
    if licence == "other":
        licence = getattr(card, "license_name", None) or licence
    return ", ".join(licence) if isinstance(licence, list) else licence or UNKNOWN


def _cached_licence(folder: Path) -> str:
    card = folder / "README.md"
    return _licence(_library().ModelCard.load(card).data) if card.is_file() else UNKNOWN


def _library() -> Any:
    try:
        import huggingface_hub.file_download
    except ImportError as error:
        raise DownloadError(
            f'repositories of the Hub need {error.name}: run pip install "edge-llasm[hub]"'
        ) from error
    huggingface_hub.utils.disable_progress_bars()
    return huggingface_hub


@contextmanager
def _translated(name: str, revision: str | None = None) -> Iterator[None]:
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{name} is given only to those who accepted its terms: accept them on its page, then log in (hf auth "
            "login) or set HF_TOKEN, and run the same command again"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DownloadError(
            f"the Hub has no model {name}, or it is private: check the name, or log in (hf auth login)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DownloadError(f"{name} has no revision {revision}: give a branch, a tag or a commit") from error
    except errors.RemoteEntryNotFoundError as error:
        raise DownloadError(
            f"{name} lacks a file that is needed ({error.response.url}): is it the right model?"
        ) from error
    except (
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
        errors.RevisionResolutionError,
    ) as error:
        if _library().constants.is_offline_mode():
            raise DownloadError(
                f"{name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: unset that"
            ) from error
        raise DownloadError(f"{name} cannot be looked up: {_UNREACHABLE}") from error
    except errors.HfHubHTTPError as error:
        raise DownloadError(
            f"the Hub refuses {name} ({error.response.status_code}): log in (hf auth login) or try again later"
        ) from error
    except errors.HFValidationError as error:
        raise DownloadError(f"{name} is not a repository's name: it has the form OWNER/NAME") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadError(f"{name} cannot be looked up ({error}): {_UNREACHABLE}") from error
    except OSError as error:
        raise DownloadError(
            f"{name} cannot be fetched ({error}): make room or change HF_HUB_CACHE"
        ) from error


_UNREACHABLE = "check the connection, or set HF_HUB_OFFLINE=1 to take what was fetched before"
