from collections.abc import Iterator

import pytest

from edge_llasm.sound import loudspeaker
from tests.sound.virtual import Room, missing, room


@pytest.fixture
def virtual_room(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A virtual sound card, the only one."""
    if lacking := missing():
        pytest.skip(lacking)
    monkeypatch.setattr(loudspeaker, "LATENCY_S", 0.5)  # no gap in what is played, however busy the machine
    with room(tmp_path_factory.mktemp("room")) as there:
        yield there
