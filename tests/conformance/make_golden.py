"""Write the golden files anew: `python -m tests.conformance.make_golden`.

Only for a new message or field. Bytes that other SDKs rely on already must not change: read the diff.
"""

from google.protobuf import text_format

from tests.conformance.examples import EXAMPLES, FORMATS, GOLDEN, PACKAGE
from tests.conformance.listing import lines


def main() -> None:
    """Write every golden file and the listing; files of messages that are gone stay, for a person to remove."""
    for name, message in EXAMPLES.items():
        stem = name.removeprefix(f"{PACKAGE}.")
        (GOLDEN / f"{stem}.textproto").write_text(text_format.MessageToString(message), encoding="utf-8")
        (GOLDEN / f"{stem}.bin").write_bytes(message.SerializeToString(deterministic=True))
    for name, data in FORMATS.items():
        (GOLDEN / f"{name}.bin").write_bytes(data)
    (GOLDEN / "listing.txt").write_text("\n".join(lines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
