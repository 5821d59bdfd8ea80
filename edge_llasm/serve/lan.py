"""`serve --lan`: this machine's address, a certificate for it and a token, so that a phone can come in."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe

from edge_llasm.errors import ServeError
from edge_llasm.installed import models_folder
from edge_llasm.serve.certificate import own_certificate, private_file
from edge_llasm.serve.server import Place

__all__ = ["lan_folder", "on_the_lan"]

SOMEWHERE = "192.0.2.1"
"""An address that nobody has; the way to it shows which of this machine's addresses others see. Nothing is sent."""


def lan_folder() -> Path:
    """Where the certificate, its key and the token are kept; need not exist."""
    return models_folder().parent / "lan"


def on_the_lan(place: Place, folder: Path) -> Place:
    """What the place lacks to be reached from other machines. Raises ServeError."""
    host = _own_address() if place.is_loopback else place.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise ServeError(f"--host {host} is no IP address: give one of this machine's") from error
    if address.is_unspecified:
        raise ServeError(f"--host {host} is no address that a phone could open: leave it out, or give one")
    place = replace(place, host=host, token=place.token or _own_token(folder / "token"))
    if place.certificate is None and place.key is None:
        certificate, key = own_certificate(folder, host)
        place = replace(place, certificate=str(certificate), key=str(key))
    return place


def _own_address() -> str:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((SOMEWHERE, 9))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ServeError(
            f"this machine seems to be in no network ({error.strerror}): join one, or give --host"
        ) from error


def _own_token(file: Path) -> str:
    """The same at every start, so that a phone that was let in stays in."""
    try:
        if file.is_file() and (token := file.read_text(encoding="ascii").strip()):
            return token
        token = token_urlsafe(32)
        private_file(file, token.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"{file} cannot be read or written: remove it, or give --token") from error
    return token
