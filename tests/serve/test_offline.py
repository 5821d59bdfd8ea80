"""A whole chat, by the API and by the page, in a network that holds nothing but this machine's loopback."""

import shutil
import subprocess
import sys

import pytest

from tests.serve.running import PATIENCE_S, ROOT

ALONE = ["unshare", "--map-root-user", "--net"]
INSIDE = """
import errno, fcntl, socket, struct, sys
import pytest
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
    fcntl.ioctl(any, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    reached = any.connect_ex(("192.0.2.1", 9))
assert reached == errno.ENETUNREACH, reached
sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[1:]]))
"""
"""Brings the loopback up, sees that there is no way out, and runs tests"""


def can_be_alone() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0
    )


pytestmark = pytest.mark.skipif(not can_be_alone(), reason="this machine makes no network namespaces")


def passes_alone(*tests: str) -> None:
    """Each of these tests must pass there, none be skipped."""
    command = [*ALONE, sys.executable, "-c", INSIDE, *(f"tests/serve/{test}" for test in tests)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=5 * PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"= {len(tests)} passed in " in done.stdout, done.stdout


def test_a_chat_by_the_api() -> None:
    pytest.importorskip("openai", reason="the official client is not installed")
    passes_alone(
        "test_openai.py::test_a_chat_goes_on_with_its_earlier_recordings",
        "test_openai.py::test_a_spoken_turn_over_the_realtime_socket",
        "test_openai.py::test_a_recording_is_transcribed",
    )


def test_a_chat_by_the_page() -> None:
    reason = "playwright is not installed: the page is not looked at"
    browsing = pytest.importorskip("tests.serve.page.browsing", reason=reason)
    if browsing.chromium() is None:
        pytest.skip("no chromium is installed: the page is not looked at")
    passes_alone(
        "page/test_talking.py::test_holding_the_button_asks_what_was_said",
        "page/test_page.py::test_chats_are_kept_here_gone_on_with_and_deleted",
    )
