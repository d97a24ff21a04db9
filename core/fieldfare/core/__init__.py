"""The logic that every room shares: no sockets, files, clocks or randomness; they arrive as arguments.

Where things are:
    errors             the tree of errors
    weights            tensor specs, the weights vector, the weights file
    metrics            sums that add up exactly over batches and devices
    encodings          how an update becomes bytes, and back
    plans              manifest, .tflite container, the LiteRT runtime
    tasks              what an engineer may ask for, and the states of a task
    aggregation        the exact sum, snapshots, checks on updates
    server_optimizers  how a mean update changes the global weights
    rounds             the state machine of one round, tickets, pace steering
    sessions           the state machine of one device's participation
    signing            Ed25519 signatures of devices and publishers
    access             tokens, keys, credentials, rate limits
    client_tls         the PEM files of a caller
    addresses          "127.0.0.1:8470", and what is loopback
    files              files that are there whole or not at all, where the caller says
    late_imports       packages whose names are imported when they are first asked for
    command            the `fieldfare` command
"""

__all__ = ["VERSION"]

VERSION: str


def __getattr__(name: str) -> str:
    """`VERSION` when somebody asks for it first: looking it up takes a tenth of what importing a device's SDK may."""
    if name != "VERSION":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import metadata

    found = globals()[name] = metadata.version("fieldfare")
    return found
