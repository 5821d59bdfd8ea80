"""A certificate of one's own for the LAN: browsers give the microphone only to pages that come by https.

Nobody else vouches for it, so that a browser asks once whether it is trusted.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_llasm.errors import ServeError

__all__ = ["own_certificate", "private_file"]

LIFE = timedelta(days=397)
"""Apple's devices refuse longer ones"""
SKEW = timedelta(days=1)
"""That a phone's clock may be behind"""
RENEWAL = timedelta(days=14)
"""Before the end"""


def own_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """The files of the certificate for an IP address and of its key, made anew when there is no good one.

    Raises ServeError.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    now = datetime.now(UTC)
    try:
        if not (key.is_file() and _serves(certificate, address, now)):
            _write(certificate, key, address, now)
    except OSError as error:
        raise ServeError(
            f"{folder} cannot be written ({error.strerror}): give --tls-cert and --tls-key"
        ) from error
    return certificate, key


def private_file(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in one move. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f".{file.name}.part")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        out.write(content)
    new.replace(file)


def _serves(file: Path, address: str, now: datetime) -> bool:
    """Whether a certificate is there, for this address, and not about to end."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    there = ipaddress.ip_address(address) in names.get_values_for_type(x509.IPAddress)
    return there and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWAL


def _write(certificate: Path, key: Path, address: str, now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge-llasm")])
    names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now - SKEW + LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    encoded = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate.unlink(missing_ok=True)  # never a certificate beside the key of another
    private_file(key, encoded)
    private_file(certificate, made.public_bytes(serialization.Encoding.PEM))
