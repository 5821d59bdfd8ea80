"""The picture of `talk` in the README, from a real chat in tmux by a virtual sound card:

python -m tests.live.picture docs/talk.svg
"""

import argparse
import re
import sys
import tempfile
import time
from html import unescape
from io import StringIO
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tests.cli.test_talk_tmux import Tmux, shows, window
from tests.sound.virtual import Room, missing, room

DEMO = Path(__file__).parents[2] / "models" / "nano" / "demo"
COLUMNS = 80
CELL = 12.2
"""Width of a column, as rich draws it"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(lacking)
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as sound,
        room(Path(sound)) as there,
    ):
        command = f"exec {sys.executable} -m edge_llasm talk --device cpu --no-history"
        with window(Path(folder), COLUMNS, command) as tmux:
            tmux.wait(shows("for help"))
            for clip, heard in (("1-*", "parse"), ("3-*", "三十五")):
                ask(tmux, there, next(DEMO.glob(clip)))
                tmux.wait(lambda rows, heard=heard: any("heard" in row and heard in row for row in rows))
            tmux("send-keys", "Space")
            with there.play(next(DEMO.glob("4-*"))):
                time.sleep(1.5)
                screen = tmux("capture-pane", "-e", "-p", "-t", "0")
    options.file.write_text(svg(screen.rstrip("\n")), encoding="utf-8")


def ask(tmux: Tmux, there: Room, clip: Path) -> None:
    tmux("send-keys", "Space")
    tmux.wait(shows("●"))
    there.play(clip).communicate()
    time.sleep(0.6)
    tmux("send-keys", "Space")


def svg(screen: str) -> str:
    """A screen with its colours; fonts are those of the reader, none is fetched."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for line in screen.split("\n"):
        console.print(Text.from_ansi(line))
    picture = console.export_svg(title="edge-llasm talk")
    picture = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", picture, flags=re.DOTALL)
    return re.sub(r'textLength="[\d.]+"([^>]*)>([^<]*)<', widened, picture)


def widened(text: re.Match[str]) -> str:
    """rich gives a Chinese character the width of one column; it has two."""
    return f'textLength="{CELL * cell_len(unescape(text[2])):.1f}"{text[1]}>{text[2]}<'


if __name__ == "__main__":
    main()
