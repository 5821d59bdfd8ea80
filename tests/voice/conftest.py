from tests.sound.conftest import virtual_room

__all__ = ["virtual_room"]
