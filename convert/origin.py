"""Where a part comes from: a folder, its licence, and whether it is still the same."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from convert.errors import ConvertError

UNKNOWN = "unknown"
# Weights that are often kept without the card that names their licence.
_LICENCES = {"LinkSoul/LLaSM-": "openrail", "openai/whisper-": "apache-2.0"}
# How huggingface_hub's cache calls the folder of one revision.
_SNAPSHOT = re.compile(r"models--(?P<owner>[^/]+)--(?P<name>[^/]+)/snapshots/(?P<revision>[0-9a-f]{40})$")


@dataclass(frozen=True)
class Origin:
    """A folder that parts are made from."""

    name: str
    """An id on the Hub, or the folder's name."""
    licence: str
    """By the card beside the weights, "unknown" where none names it."""
    revision: str | None = None
    """The commit on the Hub, where it is known."""
    fingerprint: str | None = None
    """Changes when a file does; None for what is not in files."""

    @classmethod
    def of(cls, folder: Path, licence: str | None = None) -> "Origin":
        """Look at the names, sizes and times of the files, not into 27 GB; ``licence`` goes before the card's.

        Raises ConvertError.
        """
        try:
            files = sorted(path for path in folder.iterdir() if path.is_file())
            facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        except OSError as error:
            raise ConvertError(f"cannot read {folder}: {error.strerror}") from error
        found = _SNAPSHOT.search(folder.absolute().as_posix())
        name = f"{found['owner']}/{found['name']}" if found else folder.resolve().name
        known = [licence for prefix, licence in _LICENCES.items() if name.startswith(prefix)]
        return cls(
            name=name,
            licence=licence or _card_licence(folder) or (known[0] if known else UNKNOWN),
            revision=found["revision"] if found else None,
            fingerprint=hashlib.sha256(repr(facts).encode()).hexdigest(),
        )


def _card_licence(folder: Path) -> str | None:
    """`license:` in the head of README.md, as the Hub's cards have it."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    head = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    found = head and re.search(r"^license:[ \t]*[\"']?([\w.+-]+)", head[1], re.MULTILINE)
    return found[1] if found else None
