"""What `serve --lan` makes by itself."""

import ipaddress
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="the [serve] extra is not installed")
pytest.importorskip("segno", reason="the [serve] extra is not installed")

from cryptography import x509

from edge_llasm.errors import ServeError
from edge_llasm.serve import certificate as certificates
from edge_llasm.serve.certificate import own_certificate
from edge_llasm.serve.lan import on_the_lan
from edge_llasm.serve.qr import drawn
from edge_llasm.serve.server import SHORTEST_TOKEN, Place

ADDRESS = "192.168.7.5"


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_certificate_is_made_for_the_address_and_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "lan"
    certificate, key = own_certificate(folder, ADDRESS)
    made = read(certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(ADDRESS)]
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=397)
    assert mode(key) == 0o600
    assert mode(folder) == 0o700
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    before = key.read_bytes()
    assert own_certificate(folder, ADDRESS) == (certificate, key)
    assert key.read_bytes() == before


def test_another_address_gets_another_certificate(tmp_path: Path) -> None:
    first = read(own_certificate(tmp_path, ADDRESS)[0])
    second = read(own_certificate(tmp_path, "fd00::5")[0])
    assert first.serial_number != second.serial_number


@pytest.mark.parametrize("left", [timedelta(days=1), timedelta(days=-1)])
def test_a_certificate_near_its_end_or_past_it_is_made_anew(
    tmp_path: Path, left: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "LIFE", certificates.SKEW + left)
        own_certificate(tmp_path, ADDRESS)
    certificate, key = own_certificate(tmp_path, ADDRESS)
    assert read(certificate).not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)


@pytest.mark.parametrize("gone", ["certificate.pem", "key.pem"])
def test_half_a_pair_is_none(tmp_path: Path, gone: str) -> None:
    own_certificate(tmp_path, ADDRESS)
    (tmp_path / gone).unlink()
    (tmp_path / "certificate.pem").write_text("no certificate", encoding="ascii")
    certificate, key = own_certificate(tmp_path, ADDRESS)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "lan").write_text("a file", encoding="ascii")
    with pytest.raises(ServeError, match="--tls-cert"):
        own_certificate(tmp_path / "lan", ADDRESS)


def test_a_place_gets_what_it_lacks(tmp_path: Path) -> None:
    place = on_the_lan(Place(host=ADDRESS), tmp_path)
    place.check()
    assert place.host == ADDRESS
    assert place.token is not None and len(place.token) >= 2 * SHORTEST_TOKEN
    assert mode(tmp_path / "token") == 0o600
    assert on_the_lan(Place(host=ADDRESS), tmp_path).token == place.token


def test_what_was_given_is_kept(tmp_path: Path) -> None:
    own_certificate(tmp_path / "mine", ADDRESS)
    given = Place(
        host=ADDRESS,
        token="a token of my own",
        certificate=str(tmp_path / "mine" / "certificate.pem"),
        key=str(tmp_path / "mine" / "key.pem"),
    )
    assert on_the_lan(given, tmp_path / "lan") == given
    assert not (tmp_path / "lan").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "sofa.example"])
def test_a_host_that_a_phone_could_not_open_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ServeError, match="--host"):
        on_the_lan(Place(host=host), tmp_path)


def test_a_link_is_drawn_for_a_camera_on_any_terminal() -> None:
    lines = drawn(f"https://{ADDRESS}:8080/enter/0123456789abcdefghijkl").splitlines()
    assert len(lines) < 24  # of a terminal's
    assert len({len(line) for line in lines}) == 1
    assert all(line.startswith("\x1b[") and line.endswith("\x1b[0m") for line in lines)
