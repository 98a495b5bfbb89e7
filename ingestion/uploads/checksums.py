"""Checksums that a client sends with a body, in any of the headers in use: checked when they come, never asked for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from ingestion.refusals import Refused, Why

HEADERS: Final = {  # header → algorithm of hashlib; the value is base64
    "Content-MD5": "md5",
    "x-amz-checksum-sha1": "sha1",
    "x-amz-checksum-sha256": "sha256",
}
DIGESTS: Final = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5", "sha": "sha1"}  # of Content-Digest (RFC 9530)
MEMBER: Final = re.compile(r"([a-z0-9-]+)=:([A-Za-z0-9+/=]*):")


class Checksums:
    """What a body is said to hash to. Feed it the body, then `verify`."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Raises Refused for a checksum that is not one."""
        self.told: list[tuple[str, str, bytes]] = []  # header, algorithm, digest
        for header, algorithm in HEADERS.items():
            if value := headers.get(header):
                self.told.append((header, algorithm, _decoded(header, algorithm, value.strip())))
        for member in headers.get("Content-Digest", "").split(","):
            self._add_member(member.strip())
        self._hashes: dict[str, Any] = {
            algorithm: hashlib.new(algorithm, usedforsecurity=False)
            for _, algorithm, _ in self.told
            if algorithm != "sha256"  # made of every body anyway
        }

    def update(self, block: bytes) -> None:
        for digest in self._hashes.values():
            digest.update(block)

    def verify(self, sha256: str) -> None:
        """Raises Refused when the body is not what was said."""
        for header, algorithm, expected in self.told:
            found = bytes.fromhex(sha256) if algorithm == "sha256" else self._hashes[algorithm].digest()
            if found != expected:
                said = f"The body does not have the checksum that {header} gives: it was changed on its way."
                raise Refused(Why.INVALID, f"{said} Nothing was stored; send it again.")

    def _add_member(self, member: str) -> None:
        if not member:
            return
        found = MEMBER.fullmatch(member)
        if found is None:
            raise Refused(Why.INVALID, "The header Content-Digest must look like sha-256=:<base64>:.")
        if algorithm := DIGESTS.get(found[1]):
            self.told.append(("Content-Digest", algorithm, _decoded("Content-Digest", algorithm, found[2])))


def _decoded(header: str, algorithm: str, value: str) -> bytes:
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(Why.INVALID, f"The header {header} does not hold a checksum in base64.") from error
    expected = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(digest) != expected:
        raise Refused(Why.INVALID, f"The header {header} must hold {expected} bytes in base64; it holds {len(digest)}.")
    return digest
