from collections.abc import Iterator

import pytest

from tests.desktop import compositor
from tests.desktop.compositor import Terminal
from tests.desktop.virtual import Screen, missing, screen


@pytest.fixture
def virtual_screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """A virtual screen, the only one."""
    if lacking := missing():
        pytest.skip(lacking)
    with screen(tmp_path_factory.mktemp("screen")) as there:
        yield there


@pytest.fixture
def wayland() -> Iterator[Terminal]:
    """A virtual Wayland desktop, the only one; the terminal on it."""
    if lacking := compositor.missing():
        pytest.skip(lacking)
    with compositor.compositor() as terminal:
        yield terminal
