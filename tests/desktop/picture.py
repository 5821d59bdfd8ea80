"""The picture of `hotkey` in the README: mousepad on a virtual screen, its key held, a recording played to it.

python -m tests.desktop.picture docs/hotkey.png        # wants mousepad and ImageMagick's import
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cli.test_hotkey import FUNCTION, hold, listening
from tests.desktop import virtual as desktop
from tests.sound import virtual as sound

NOBODY = ("setpriv", "--reuid=65534", "--clear-groups") if os.getuid() == 0 else ()
"""mousepad warns of being root across its window"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    lacking = [name for name in ("mousepad", "import") if shutil.which(name) is None]
    if reason := desktop.missing() or sound.missing() or ", ".join(lacking):
        sys.exit(f"no picture: {reason}")
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as place,
        tempfile.TemporaryDirectory() as card,
    ):
        os.environ.update(EDGE_LLASM_HOME=home, HOME=home)
        folder = Path(place, "home")
        folder.mkdir()
        script = folder / "dates.py"
        for path in (Path(place), folder):
            path.chmod(0o777)
        script.write_text("import sys\n\n\n", encoding="utf-8")
        with desktop.screen(Path(place)) as screen, sound.room(Path(card)) as room:
            editor = subprocess.Popen(
                [*NOBODY, "mousepad", "--line=4", str(script)],
                env={**os.environ, "HOME": str(folder)}, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                take(screen, room, options.file)
            finally:
                editor.kill()
                editor.wait()


def take(screen: desktop.Screen, room: sound.Room, file: Path) -> None:
    screen.xdotool(
        "search", "--sync", "--onlyvisible", "--name", "dates.py", "windowsize", "--sync", "640", "170"
    )
    screen.xdotool("search", "--name", "dates.py", "windowmove", "0", "0", "windowfocus", "--sync")
    with listening("--code") as program:
        hold(screen, room, program, FUNCTION)
        program.wait("heard: ")
        time.sleep(2)  # until the editor has drawn it
        subprocess.run(
            ["import", "-window", "root", "-crop", "640x170+0+0", "-colors", "64", str(file)], check=True
        )


if __name__ == "__main__":
    main()
