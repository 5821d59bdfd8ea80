"""What is locked is what pyproject.toml asks for: pinned, hashed, and without addresses."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "requirements"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
FILES = sorted(FOLDER.glob("*.txt"))
LOCKED = {
    "runtime": PYPROJECT["project"]["dependencies"],
    "dev": [
        *EXTRAS["bench"],
        *EXTRAS["media"],
        *EXTRAS["hotkey"],
        *EXTRAS["talk"],
        *EXTRAS["serve"],
        *GROUPS["dev"],
    ],
    "build": GROUPS["build"],
    "torch": [*EXTRAS["hub"], *EXTRAS["convert"], *EXTRAS["train"]],
}
"""By file, what must stand in it; torch.txt is installed on top of dev.txt"""


def pins(name: str) -> dict[str, set[str]]:
    """Packages of a file, and their versions: there may be one for each Python."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([\w.-]+)==([^\s;]+)", (FOLDER / f"{name}.txt").read_text(), re.MULTILINE
    ):
        found.setdefault(package, set()).add(version)
    return found


def packages(requirements: list[str]) -> set[str]:
    """Their names, without what is edge-llasm itself."""
    names = {re.split(r"[\[<>=; ]", one, maxsplit=1)[0].lower() for one in requirements}
    return names - {"edge-llasm"}


@pytest.mark.parametrize("name", LOCKED)
def test_everything_that_is_asked_for_is_pinned(name: str) -> None:
    there = pins(name) | (pins("dev") if name == "torch" else {})
    assert packages(LOCKED[name]) - set(there) == set()


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_a_package_has_the_same_versions_in_every_file(name: str) -> None:
    dev = pins("dev")
    assert {
        package: versions
        for package, versions in pins(name).items()
        if versions != dev.get(package, versions)
    } == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_pin_has_its_hashes_and_no_address(file: Path) -> None:
    text = file.read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert re.findall(r"://|index-url|find-links|file:", text) == []
