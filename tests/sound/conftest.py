from collections.abc import Iterator

import pytest

from tests.sound.virtual import Room, missing, room


@pytest.fixture
def virtual_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A virtual sound card, the only one."""
    if lacking := missing():
        pytest.skip(lacking)
    with room(tmp_path_factory.mktemp("room")) as there:
        yield there
