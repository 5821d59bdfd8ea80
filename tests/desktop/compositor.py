"""A virtual Wayland desktop: sway without a screen, and a terminal in which `cat` takes down what is typed."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PATIENCE_S = 60
NOBODY = "65534"
"""sway does not run as root"""


def missing() -> str:
    """What a virtual Wayland desktop lacks on this machine; "" = nothing."""
    wanted = ("sway", "foot", "wtype", "wl-copy", *(("setpriv",) if os.getuid() == 0 else ()))
    lacking = [name for name in wanted if shutil.which(name) is None]
    return f"no virtual Wayland desktop without {', '.join(lacking)}" if lacking else ""


class Terminal:
    """The window that has the focus."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def text(self) -> str:
        """The lines that were finished by enter."""
        return self._file.read_text("utf-8")

    def wait(self, wanted: str) -> None:
        """Until exactly this was typed."""
        end = time.monotonic() + PATIENCE_S
        while self.text != wanted:
            assert time.monotonic() < end, f"{self.text!r} is not {wanted!r}"
            time.sleep(0.05)


@contextmanager
def compositor() -> Iterator[Terminal]:
    """The desktop, reached through the environment of this process until the end."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        said = folder / "said"
        (folder / "config").write_text(f"exec foot -e sh -c 'cat > {said}'\n")
        become: list[str] = []
        if os.getuid() == 0:
            become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            os.chown(folder, int(NOBODY), int(NOBODY))
        ours = {"HOME": name, "XDG_RUNTIME_DIR": name, "WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1",
                "WLR_RENDERER": "pixman", "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": name}  # fmt: skip
        kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
        with (folder / "sway.log").open("wb") as log:
            sway = subprocess.Popen(
                [*become, "sway", "--config", f"{folder}/config"], env=kept | ours, stdout=log, stderr=log
            )
        before = {key: os.environ.get(key) for key in ("DISPLAY", "WAYLAND_DISPLAY")}
        try:
            end = time.monotonic() + PATIENCE_S
            while not said.exists():
                assert sway.poll() is None, (folder / "sway.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.05)
            (socket,) = (path for path in folder.glob("wayland-*") if path.is_socket())
            os.environ.pop("DISPLAY", None)
            os.environ["WAYLAND_DISPLAY"] = str(socket)
            yield Terminal(said)
        finally:
            sway.terminate()
            sway.wait()
            for key, value in before.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})
