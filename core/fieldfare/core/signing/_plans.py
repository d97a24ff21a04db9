"""Publishers sign plans, by the digest of the whole file."""

import json
from collections.abc import Collection, Iterable

from fieldfare.core.errors import PlanError
from fieldfare.core.signing._ed25519 import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, is_signed, public_key_of, sign
from fieldfare.protos.v1 import aggregator_pb2

MAX_PLAN_SIGNATURES = 16
_PLAN = b"fieldfare plan v1\0"
_FORMAT = "fieldfare plan signature 1"
_MAX_FILE_BYTES = 4096


def sign_plan(seed: bytes, sha256: bytes) -> aggregator_pb2.PlanSignature:
    """A publisher's signature over the plan whose file has this SHA-256."""
    return aggregator_pb2.PlanSignature(public_key=public_key_of(seed), signature=sign(seed, _PLAN + sha256))


def is_published(
    signatures: Iterable[aggregator_pb2.PlanSignature], publishers: Collection[bytes], sha256: bytes
) -> bool:
    """Whether one of these publishers (public keys, 32 bytes each) signed the plan."""
    return any(
        one.public_key in publishers and is_signed(one.public_key, one.signature, _PLAN + sha256) for one in signatures
    )


def check_plan_signatures(signatures: Collection[aggregator_pb2.PlanSignature], sha256: bytes) -> None:
    """Refuse signatures that are none, whoever the publisher.

    Raises:
        PlanError: more than 16 of them, or one that does not hold for the plan.
    """
    if len(signatures) > MAX_PLAN_SIGNATURES:
        raise PlanError(f"a plan has {MAX_PLAN_SIGNATURES} signatures at the most, not {len(signatures)}")
    for one in signatures:
        if not is_signed(one.public_key, one.signature, _PLAN + sha256):
            raise PlanError(
                f"the signature of the publisher {one.public_key.hex()[:16]} is not one of this plan: sign it again"
            )


def plan_signature_to_file(signature: aggregator_pb2.PlanSignature) -> bytes:
    """The content of a signature file: one line of JSON."""
    fields = {
        "format": _FORMAT,
        "public_key": signature.public_key.hex(),
        "signature": signature.signature.hex(),
    }
    return json.dumps(fields).encode() + b"\n"


def plan_signature_from_file(content: bytes) -> aggregator_pb2.PlanSignature:
    """Read a signature file. Whether the signature holds is another question.

    Raises:
        PlanError: not such a file.
    """
    try:
        fields = json.loads(content) if len(content) <= _MAX_FILE_BYTES else None
        if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
            raise PlanError("this is no signature of a plan: `fieldfare plan sign` makes one")
        public_key, signature = bytes.fromhex(fields["public_key"]), bytes.fromhex(fields["signature"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PlanError("this is no signature of a plan, or a damaged one: `fieldfare plan sign` makes one") from error
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise PlanError("the signature is damaged: sign the plan again")
    return aggregator_pb2.PlanSignature(public_key=public_key, signature=signature)
