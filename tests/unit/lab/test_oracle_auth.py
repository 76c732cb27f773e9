"""Server side of the log-on, against the client's arithmetic as the driver's source has it."""

from __future__ import annotations

import hashlib
import secrets

import pytest

from infomart_lab.oracle.auth import VERIFIER_11G, Challenge, decrypt, encrypt


def answer(challenge: Challenge, password: str) -> tuple[str, str, bytes]:
    """Phase two as the driver (crypto.pyx, auth.pyx) computes it: both hexadecimal texts and its key."""
    pairs = {key: (value, flags) for key, value, flags in challenge.parameters()}
    assert pairs["AUTH_VFR_DATA"][1] == VERIFIER_11G
    salt = bytes.fromhex(pairs["AUTH_VFR_DATA"][0])
    verifier = hashlib.sha1(password.encode() + salt).digest() + bytes(4)
    server_half = decrypt(verifier, bytes.fromhex(pairs["AUTH_SESSKEY"][0]))
    client_half = secrets.token_bytes(48)
    sent = encrypt(verifier, client_half + bytes([16]) * 16).hex().upper()[:96]
    mixed = bytes(server_half[i] ^ client_half[i] for i in range(16, 40))
    key = (hashlib.md5(mixed[:16]).digest() + hashlib.md5(mixed[16:]).digest())[:24]
    plain = secrets.token_bytes(16) + password.encode()
    pad = 16 - len(plain) % 16
    return sent, encrypt(key, plain + bytes([pad]) * pad).hex().upper(), key


@pytest.mark.parametrize("password", ["x", "secret", "exactly16bytes!!", "p" * 40, "pässwörd"])
def test_the_right_password_gives_both_sides_the_same_key(password: str) -> None:
    challenge = Challenge(password)
    session_key, encrypted, key = answer(challenge, password)
    assert challenge.check(session_key, encrypted) == key


@pytest.mark.parametrize("given", ["", "wrong", "secret ", "Secret"])
def test_a_wrong_password_is_refused(given: str) -> None:
    challenge = Challenge("secret")
    session_key, encrypted, _ = answer(challenge, given)
    assert challenge.check(session_key, encrypted) is None


def test_an_unknown_user_gets_a_challenge_and_is_refused_whatever_he_answers() -> None:
    challenge = Challenge(None)
    session_key, encrypted, _ = answer(challenge, "anything")
    assert challenge.check(session_key, encrypted) is None


@pytest.mark.parametrize(("session_key", "password"), [("", ""), ("zz", "00"), ("00" * 48, "00" * 15)])
def test_rubbish_is_refused_and_raises_nothing(session_key: str, password: str) -> None:
    assert Challenge("secret").check(session_key, password) is None


def test_the_servers_proof_carries_the_text_that_the_driver_looks_for() -> None:
    key = secrets.token_bytes(24)
    assert decrypt(key, bytes.fromhex(Challenge.proof(key)))[16:32] == b"SERVER_TO_CLIENT"
