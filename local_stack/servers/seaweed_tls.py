"""Mutual TLS and signing keys that protect SeaweedFS's internal ports.

SeaweedFS listens on nine ports in addition to the S3 API. They serve only its own components, and ``weed`` cannot
disable them. Each of them therefore requires a client certificate of an authority whose private key is discarded as
soon as it has signed the only certificate of this start.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_stack.ports import HOST
from local_stack.stack import write_private_file

SECURITY_FILE_NAME = "security.toml"
_AUTHORITY = "NeighborConnect stack"
_NODE = "seaweedfs"
_VALID_DAYS = 3_650
_JWT_SECTIONS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
_GRPC_SERVERS = ("master", "volume", "filer", "s3", "admin", "worker", "mq", "msg_broker", "msg_agent")
_HTTPS_SERVERS = ("master", "volume", "filer", "admin")


def _certificate(
    subject: str, public_key: ec.EllipticCurvePublicKey, *, signed_with: ec.EllipticCurvePrivateKey, is_authority: bool
) -> str:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
    )
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signed_with, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def write_security(folder: Path) -> None:
    """Write ``security.toml`` with new keys and certificates to the working folder."""
    authority, node = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca, certificate, key = folder / "ca.pem", folder / "node.pem", folder / "node.key"
    write_private_file(ca, _certificate(_AUTHORITY, authority.public_key(), signed_with=authority, is_authority=True))
    write_private_file(certificate, _certificate(_NODE, node.public_key(), signed_with=authority, is_authority=False))
    plain = serialization.NoEncryption()
    pem = node.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    write_private_file(key, pem.decode())

    pair = f'cert = "{certificate}"\nkey = "{key}"\n'
    parts = [
        '[cors.allowed_origins]\nvalues = ""\n',
        "[access]\nui = false\n",
        "[filer.expose_directory_metadata]\nenabled = false\n",
        *(f'[{name}]\nkey = "{secrets.token_hex(32)}"\nexpires_after_seconds = 60\n' for name in _JWT_SECTIONS),
        f'[grpc]\nca = "{ca}"\n',
        *(f'[grpc.{name}]\n{pair}allowed_commonNames = "{_NODE}"\n' for name in _GRPC_SERVERS),
        f"[grpc.client]\n{pair}",
        f'[https.client]\nenabled = true\nca = "{ca}"\n{pair}',
        *(f'[https.{name}]\nca = "{ca}"\n{pair}' for name in _HTTPS_SERVERS),
    ]
    write_private_file(folder / SECURITY_FILE_NAME, "".join(parts))
