"""Oracle's password authentication with the 11g verifier (O5LOGON, verifier type 0x1b25), server side."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VERIFIER_11G = 0x1B25


def _cipher(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))


def encrypt(key: bytes, data: bytes) -> bytes:
    """AES-CBC with a zero IV; ``data`` is a multiple of 16 bytes long."""
    encryptor = _cipher(key).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def decrypt(key: bytes, data: bytes) -> bytes:
    decryptor = _cipher(key).decryptor()
    return decryptor.update(data) + decryptor.finalize()


@dataclass
class Challenge:
    """One log-on: sent in phase one, checked in phase two.

    :param password: the right password; None for a user that does not exist (every answer is then wrong).
    """

    password: str | None
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(10))
    server_key: bytes = field(default_factory=lambda: secrets.token_bytes(48))

    @property
    def _verifier(self) -> bytes:
        password = self.password if self.password is not None else secrets.token_hex()
        return hashlib.sha1(password.encode() + self.salt).digest() + bytes(4)

    def parameters(self) -> list[tuple[str, str, int]]:
        """Pairs of the reply to phase one."""
        key = encrypt(self._verifier, self.server_key).hex().upper()
        return [("AUTH_SESSKEY", key, 0), ("AUTH_VFR_DATA", self.salt.hex().upper(), VERIFIER_11G)]

    def session_key(self, client_key: bytes) -> bytes:
        """Key of the session from both halves (48 bytes each)."""
        mixed = bytes(a ^ b for a, b in zip(self.server_key[16:40], client_key[16:40], strict=True))
        return (hashlib.md5(mixed[:16]).digest() + hashlib.md5(mixed[16:]).digest())[:24]

    def check(self, session_key: str, password: str) -> bytes | None:
        """Check phase two.

        :param session_key: AUTH_SESSKEY of the client, hexadecimal.
        :param password: AUTH_PASSWORD, hexadecimal.
        :returns: the session's key, or None when the password is wrong.
        """
        if self.password is None:
            return None
        try:
            key = self.session_key(decrypt(self._verifier, bytes.fromhex(session_key)[:48]))
            plain = decrypt(key, bytes.fromhex(password))
        except ValueError:
            return None
        if not plain or not 1 <= plain[-1] <= 16:
            return None
        given = plain[16 : -plain[-1]]
        return key if secrets.compare_digest(given, self.password.encode()) else None

    @staticmethod
    def proof(key: bytes) -> str:
        """AUTH_SVR_RESPONSE: shows the client that the server knows the key too."""
        return encrypt(key, secrets.token_bytes(16) + b"SERVER_TO_CLIENT").hex().upper()
