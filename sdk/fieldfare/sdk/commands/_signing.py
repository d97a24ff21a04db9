"""`fieldfare plan keygen`, `sign` and `verify`."""

import argparse
import hashlib
import os
from pathlib import Path

from fieldfare.core.command import Console
from fieldfare.core.errors import ConfigError, NotFoundError, PlanError, StateError
from fieldfare.core.files import OWNER_ONLY, write_atomically
from fieldfare.core.plans import read_manifest
from fieldfare.core.signing import (
    SEED_BYTES,
    is_published,
    plan_signature_from_file,
    plan_signature_to_file,
    private_key_from_pem,
    private_key_to_pem,
    public_key_from_pem,
    public_key_of,
    public_key_to_pem,
    sign_plan,
)


def configure_signing(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the three actions."""
    keygen = actions.add_parser(
        "keygen",
        help="make a publisher's key pair",
        description="Make an Ed25519 key pair: FILE (keep it secret, mode 0600) and FILE.pub, which devices are given.",
        epilog="Example: fieldfare plan keygen publisher.pem",
    )
    keygen.add_argument("file", type=Path, metavar="FILE", help="where the private key goes; must not be there yet")
    keygen.set_defaults(run=_keygen)
    sign = actions.add_parser(
        "sign",
        help="sign a plan",
        description="Sign a plan; the signature goes into a file of its own beside it, PLAN.sig.",
        epilog="Example: fieldfare plan sign digits.tflite --key publisher.pem",
    )
    sign.add_argument("file", type=Path, metavar="PLAN", help="the plan, a .tflite file")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="the publisher's private key")
    sign.add_argument("--output", type=Path, metavar="FILE", help="where the signature goes (PLAN.sig)")
    sign.set_defaults(run=_sign)
    verify = actions.add_parser(
        "verify",
        help="check a plan's signature",
        description="Check that a publisher signed a plan. The exit status is 1 where it is not so.",
        epilog="Example: fieldfare plan verify digits.tflite --publisher publisher.pem.pub",
    )
    verify.add_argument("file", type=Path, metavar="PLAN", help="the plan, a .tflite file")
    verify.add_argument("--publisher", type=Path, required=True, metavar="FILE", help="the publisher's public key")
    verify.add_argument("--signature", type=Path, metavar="FILE", help="the signature (PLAN.sig)")
    verify.set_defaults(run=_verify)


def _keygen(options: argparse.Namespace, console: Console) -> int:
    public = options.file.with_name(f"{options.file.name}.pub")
    for path in (options.file, public):
        if path.exists():
            raise StateError(f"{path} is there already: a key is never written over; choose another name")
    seed = os.urandom(SEED_BYTES)
    write_atomically(options.file, private_key_to_pem(seed), mode=OWNER_ONLY)
    write_atomically(public, public_key_to_pem(public_key_of(seed)))
    console.say(f"private key in {options.file}: keep it secret")
    console.say(f"public key in {public}: give it to devices (--publisher) and to the aggregator (security.publishers)")
    return 0


def _sign(options: argparse.Namespace, console: Console) -> int:
    plan = _read(options.file)
    # What is no plan, or a damaged one, is not signed.
    read_manifest(plan)
    signature = sign_plan(private_key_from_pem(_read(options.key)), hashlib.sha256(plan).digest())
    output = options.output or _beside(options.file)
    write_atomically(output, plan_signature_to_file(signature))
    console.say(f"signature in {output}")
    return 0


def _verify(options: argparse.Namespace, console: Console) -> int:
    plan = _read(options.file)
    publisher = public_key_from_pem(_read(options.publisher))
    signature = plan_signature_from_file(_read(options.signature or _beside(options.file)))
    if not is_published([signature], {publisher}, hashlib.sha256(plan).digest()):
        raise PlanError(f"{options.file} is not signed by {options.publisher}")
    console.say(f"{options.file} is signed by {options.publisher}")
    return 0


def _beside(plan: Path) -> Path:
    return plan.with_name(f"{plan.name}.sig")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is not there") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
