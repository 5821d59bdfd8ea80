"""`edge-llasm serve`: what it refuses before it listens, and how it ends."""

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the [serve] extra is not installed")

from edge_llasm.cli import run
from edge_llasm.errors import ServeError
from edge_llasm.serve.server import Place
from tests.serve.running import command, fetch

TOKEN = "a-token-of-some-length"


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command leaves behind."""
    assert run(["serve", *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "can be reached by others"),
        (["--host", "::"], "can be reached by others"),
        (["--host", "192.168.1.5", "--token", TOKEN], "can be reached by others"),
        (["--host", "sofa.local", "--token", TOKEN], "can be reached by others"),
        (["--tls-cert", "c.pem"], "needs its key"),
        (["--tls-cert", "c.pem", "--tls-key", "k.pem"], "are no certificate"),
        (["--host", "0.0.0.0", "--token", "short", "--tls-cert", "c", "--tls-key", "k"], "at least 16"),
        (["--token", "ü" * 20], "ASCII"),
        (["--model", "nowhere"], "nowhere"),
        (["--host", "127.0.0.300"], "127.0.0.300"),
    ],
)
def test_what_is_not_safe_or_not_there_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    model = [] if "--model" in arguments else ["--model", "tiny"]
    assert said in complaint(capsys, *model, *arguments)


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in complaint(capsys, "--model", "tiny", "--port", str(port))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_this_machine_alone_needs_neither_token_nor_certificate(host: str) -> None:
    Place(host).check()


def test_an_url_is_one() -> None:
    assert Place("::1").url(80) == "http://[::1]:80"
    with pytest.raises(ServeError):
        Place("10.0.0.1", token="x" * 20).check()


def test_it_serves_says_where_and_leaves_with_ctrl_c(home: Path) -> None:
    with command("--model", "tiny", "--alias", "gpt-4o-audio-preview", home=home) as server:
        assert server.get("/v1/models/gpt-4o-audio-preview")[0] == 200
    said = [line for line in server.said if line.strip()]
    assert said == [
        f"edge-llasm: tiny at {server.url}/v1 for programs, as soon as it is loaded; Ctrl-C stops it\n",
        f"edge-llasm: for a browser: {server.url}\n",
    ]


def test_a_token_may_come_from_the_environment(home: Path) -> None:
    with command("--model", "tiny", home=home, token=TOKEN) as server:
        assert fetch(server.url + "/v1/models")[0] == 401
        status, listed = server.get("/v1/models")
        assert status == 200
        assert b'"tiny"' in listed


def test_others_are_served_over_tls_with_the_token(home: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    try:
        subprocess.run([*line.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    arguments = ["--host", "0.0.0.0", "--tls-cert", str(certificate), "--tls-key", str(key)]
    from tests.serve import running

    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    opener = running.urllib.request.build_opener(
        running.urllib.request.ProxyHandler({}), running.urllib.request.HTTPSHandler(context=context)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "DIRECT", opener)
        with command("--model", "tiny", *arguments, home=home, token=TOKEN) as server:
            assert server.url.startswith("https://")
            assert fetch(server.url + "/health")[0] == 401
            assert server.get("/health")[0] == 200


def test_a_model_that_cannot_be_loaded_ends_the_server(
    home: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "models" / "broken"
    folder.mkdir()
    for file in tiny_bundle.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with (folder / "llm.gguf").open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"\xff" * 100)
    process = subprocess.run(
        [sys.executable, "-m", "edge_llasm", "serve", "--model", "broken", "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "llm.gguf" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
