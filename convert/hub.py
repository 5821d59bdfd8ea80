"""Where a checkpoint and its Whisper are: folders on this machine, or repositories of the Hub to be fetched."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convert.checkpoint import TABLE, WEIGHTS
from convert.errors import ConvertError
from convert.json_file import read_json
from edge_llasm.download import Progress
from edge_llasm.hub import Repo, RepoFile, find_repo, is_repo_id
from edge_llasm.room import require_disk
from edge_llasm.units import readable

__all__ = ["Place", "find_places", "require_room"]

CONFIG = "config.json"
_CARD = "README.md"  # its metadata holds the licence, which a later run offline wants to know too
_VOCABULARY = (
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
)


@dataclass(frozen=True)
class Place:
    """A folder in Hugging Face's layout; of a repository, everything but the weights is there."""

    folder: Path
    name: str
    """OWNER/NAME, or the folder"""
    config: dict[str, Any] = field(repr=False)
    repo: Repo | None = None
    weights: tuple[RepoFile, ...] = ()

    @property
    def commit(self) -> str | None:
        """40 hexadecimal digits; None for a folder."""
        return self.repo.commit if self.repo else None

    @property
    def licence(self) -> str | None:
        """As the repository's card gives it; None for a folder."""
        return self.repo.licence if self.repo else None

    @property
    def manifest(self) -> dict[str, str]:
        """Fields of convert.bundle.Manifest that the repository gives, where its config.json does not."""
        if self.repo is None:
            return {}
        given = {"name": self.repo.name.rpartition("/")[2].lower(), "licence": self.repo.licence}
        return {key: value for key, value in given.items() if key not in (self.config.get(TABLE) or {})}

    @property
    def missing(self) -> int:
        """Bytes of the weights that are still to be fetched."""
        return sum(self.repo.missing(file) for file in self.weights) if self.repo else 0

    @property
    def size(self) -> int:
        """Bytes of the weights in a repository; 0 for a folder, whose weights nobody fetches."""
        return sum(file.size for file in self.weights)

    def fetch(self, progress: Progress | None = None) -> None:
        """Fetch the missing weights, from where an earlier attempt stopped. Raises DownloadError."""
        if self.repo is not None:
            for file in self.weights:
                self.repo.large_file(file, progress)

    def __str__(self) -> str:
        if self.repo is None:
            return self.name
        fetched = f"{readable(self.missing)} of {readable(self.size)} to fetch" if self.missing else "is here"
        return f"{self.name} at {self.repo.commit[:12]}: licence {self.repo.licence}, {fetched}"


def find_places(
    checkpoint: str, whisper: str | None = None, revision: str | None = None
) -> tuple[Place, Place]:
    """The checkpoint and its Whisper, each a folder (which goes first) or OWNER/NAME of the Hub.

    Without ``whisper`` it is the checkpoint's ``mm_audio_tower``. Fetches small files only. Raises ConvertError,
    DownloadError.
    """
    llasm = _find(checkpoint, revision, _VOCABULARY)
    return llasm, _find(whisper or _tower(llasm), None, ())


def _tower(llasm: Place) -> str:
    """The Whisper that the checkpoint names: a folder, also one beside a checkpoint's, or OWNER/NAME."""
    tower = llasm.config.get("mm_audio_tower")
    if not isinstance(tower, str) or not tower:
        raise ConvertError(
            f"{llasm.name}'s {CONFIG} names no Whisper (mm_audio_tower): give one with --whisper"
        )
    beside = llasm.folder.resolve().parent / tower
    if llasm.repo is None and not Path(tower).is_dir() and beside.is_dir():
        return str(beside)
    if not Path(tower).is_dir() and not is_repo_id(tower):
        raise ConvertError(
            f"{llasm.name} was trained with the Whisper {tower}, which is not here: give it with --whisper"
        )
    return tower


def require_room(places: Sequence[Place]) -> None:
    """Raise NoRoom unless the disk of the cache has room for the missing weights."""
    repos = [place.repo for place in places if place.repo]
    if repos:
        require_disk(repos[0].cache, sum(place.missing for place in places), "fetching the weights")


def _find(text: str, revision: str | None, wanted: tuple[str, ...]) -> Place:
    folder = Path(text)
    if folder.is_dir():
        if revision is not None:
            raise ConvertError(f"{text} is a folder: --revision is for repositories of the Hub")
        return Place(folder, text, read_json(folder / CONFIG))
    if not is_repo_id(text):
        raise ConvertError(f"cannot read {text}: it is no folder, and a repository of the Hub is OWNER/NAME")
    repo = find_repo(text, revision)
    if repo.folder is not None:
        return Place(repo.folder, repo.name, read_json(repo.folder / CONFIG), repo)
    config = repo.small_file(CONFIG)
    for name in (_CARD, *wanted):
        if name in repo.files:
            repo.small_file(name)
    return Place(config.parent, repo.name, read_json(config), repo, _weights(repo))


def _weights(repo: Repo) -> tuple[RepoFile, ...]:
    """The files of the first format that the repository has; its index, if there is one, is fetched."""
    for single, index in WEIGHTS:
        if index in repo.files:
            shards = read_json(repo.small_file(index)).get("weight_map")
            names = sorted({str(file) for file in shards.values()}) if isinstance(shards, dict) else []
            missing = [name for name in names if name not in repo.files]
            if missing or not names:
                raise ConvertError(f"{repo.name} lacks {', '.join(missing) or 'weights'}: is it complete?")
            return tuple(repo.files[name] for name in names)
        if single in repo.files:
            return (repo.files[single],)
    names = [single for single, _ in WEIGHTS]
    raise ConvertError(f"{repo.name} has no weights ({' or '.join(names)}): is it the right model?")
