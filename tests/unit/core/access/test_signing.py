import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fieldfare.core.errors import ConfigError, PlanError
from fieldfare.core.signing import (
    check_plan_signatures,
    enrollment_message,
    is_published,
    is_signed,
    plan_signature_from_file,
    plan_signature_to_file,
    private_key_from_pem,
    private_key_to_pem,
    public_key_from_pem,
    public_key_of,
    public_key_to_pem,
    refresh_message,
    sign,
    sign_plan,
)
from fieldfare.protos.v1 import aggregator_pb2

# RFC 8032, section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
DIGEST = bytes(range(32))


def test_rfc_8032():
    assert public_key_of(SEED) == PUBLIC
    assert sign(SEED, b"\x72") == SIGNATURE
    assert is_signed(PUBLIC, SIGNATURE, b"\x72")


@pytest.mark.parametrize(
    ("public", "signature", "message"),
    [
        (PUBLIC, SIGNATURE, b"\x73"),
        (PUBLIC, SIGNATURE[:-1], b"\x72"),
        (PUBLIC[:-1], SIGNATURE, b"\x72"),
        (public_key_of(bytes(32)), SIGNATURE, b"\x72"),
        (b"\xff" * 32, SIGNATURE, b"\x72"),
        (PUBLIC, bytes(64), b"\x72"),
    ],
)
def test_what_is_not_signed(public, signature, message):
    assert not is_signed(public, signature, message)


def test_what_devices_sign_is_what_the_protocol_says():
    assert enrollment_message(b"0123456789abcdef", "ffk-a") == b"fieldfare enroll v1\x000123456789abcdefffk-a"
    assert refresh_message(b"0123456789abcdef", 258) == b"fieldfare refresh v1\x000123456789abcdef\x02\x01" + bytes(6)


def test_keys_as_pem():
    assert private_key_from_pem(private_key_to_pem(SEED)) == SEED
    assert public_key_from_pem(public_key_to_pem(PUBLIC)) == PUBLIC
    other = ec.generate_private_key(ec.SECP256R1())
    plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    encrypted = serialization.BestAvailableEncryption(b"x")
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    with pytest.raises(ConfigError, match="not an Ed25519"):
        private_key_from_pem(other.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    with pytest.raises(ConfigError, match="decrypted first"):
        private_key_from_pem(other.private_bytes(serialization.Encoding.PEM, pkcs8, encrypted))
    with pytest.raises(ConfigError, match="no private key"):
        private_key_from_pem(public_key_to_pem(PUBLIC))
    with pytest.raises(ConfigError, match="not an Ed25519"):
        public_key_from_pem(other.public_key().public_bytes(serialization.Encoding.PEM, subject))
    with pytest.raises(ConfigError, match="no public key"):
        public_key_from_pem(b"")


def test_plans_are_published_by_who_signed_them():
    signature, other = sign_plan(SEED, DIGEST), sign_plan(bytes(32), DIGEST)
    assert signature.public_key == PUBLIC
    assert is_signed(PUBLIC, signature.signature, b"fieldfare plan v1\0" + DIGEST)
    assert is_published([other, signature], {PUBLIC}, DIGEST)
    assert not is_published([other], {PUBLIC}, DIGEST)
    assert not is_published([], {PUBLIC}, DIGEST)
    assert not is_published([signature], {PUBLIC}, bytes(32))
    forged = aggregator_pb2.PlanSignature(public_key=PUBLIC, signature=other.signature)
    assert not is_published([forged], {PUBLIC}, DIGEST)


def test_signatures_that_do_not_hold_are_refused_whoever_signed():
    good = sign_plan(SEED, DIGEST)
    check_plan_signatures([], DIGEST)
    check_plan_signatures([good] * 16, DIGEST)
    with pytest.raises(PlanError, match="16 signatures at the most"):
        check_plan_signatures([good] * 17, DIGEST)
    with pytest.raises(PlanError, match="3d4017c3e843895a is not one of this plan"):
        check_plan_signatures([good], bytes(32))


def test_signature_files():
    signature = sign_plan(SEED, DIGEST)
    content = plan_signature_to_file(signature)
    assert plan_signature_from_file(content) == signature
    fields = json.loads(content)
    for wrong in (
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b" " * 5000,
        b"[" * 4000,
        json.dumps({**fields, "format": "2"}).encode(),
        json.dumps({**fields, "signature": "zz"}).encode(),
        json.dumps({**fields, "signature": 1}).encode(),
        json.dumps({key: fields[key] for key in ("format", "signature")}).encode(),
        json.dumps({**fields, "public_key": "00"}).encode(),
    ):
        with pytest.raises(PlanError, match="signature"):
            plan_signature_from_file(wrong)
