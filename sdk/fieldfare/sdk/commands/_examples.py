"""`fieldfare device add | export | delete`: a device's examples from the command line."""

import argparse
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from fieldfare.core.command import Console
from fieldfare.core.errors import ConfigError
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk.commands.plan import load_manifest
from fieldfare.sdk.reading import read_examples
from fieldfare.sdk.store import ExampleStore, StoreLimits, export


def configure_examples(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the actions `add`, `export` and `delete`."""
    _configure_add(actions)
    _configure_export(actions)
    _configure_delete(actions)


def _configure_add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = actions.add_parser(
        "add",
        help="add examples from files to a store",
        description="Add the examples of CSV and NPZ files to a store, and make the store where it is absent. "
        "CSV files need a header. A column named like a tensor of the plan is that tensor; where a single tensor is "
        "left, all other columns are its flattened values; else name them tensor.0, tensor.1 and so on. NPZ files hold "
        "one array a tensor under its name. A file is added as a whole or not at all. Limits stay with the store; the "
        "oldest examples go first.",
        epilog="Example: fieldfare device add --store examples.db --plan digits.tflite digits.csv",
    )
    add.add_argument("--store", type=Path, required=True, metavar="FILE", help="the example store")
    add.add_argument("--plan", type=Path, metavar="FILE", help="types a store that is not there yet")
    add.add_argument(
        "--held-out",
        type=float,
        default=0.15,
        metavar="SHARE",
        help="share kept for evaluation, fixed when the store is made (default: %(default)s)",
    )
    add.add_argument("--collection", default="default", metavar="NAME", help="which one they join (default: default)")
    add.add_argument("--max-examples", type=int, metavar="N", help="keep no more from now on; 0 ends the limit")
    add.add_argument("--max-bytes", type=int, metavar="BYTES", help="of their tensors; 0 ends the limit")
    add.add_argument("--max-age", type=_days, metavar="DAYS", help="keep none that is older; 0 ends the limit")
    add.add_argument("files", type=Path, nargs="+", metavar="FILE", help="CSV or NPZ")
    add.set_defaults(run=_add)


def _configure_export(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    exporting = actions.add_parser(
        "export",
        help="write a person's own examples to a file for them",
        description="Write all that a store holds to a file that its owner alone can read. FILE.jsonl has a line of "
        "JSON for each example, with its id, collection, key and time; FILE.npz has one array a tensor, which "
        "`fieldfare device add` reads.",
        epilog="Example: fieldfare device export --store examples.db mine.jsonl",
    )
    exporting.add_argument("--store", type=Path, required=True, metavar="FILE", help="the example store")
    _add_collections(exporting, "only this collection; repeat it for several")
    exporting.add_argument("file", type=Path, metavar="FILE", help="to write: .jsonl or .npz")
    exporting.set_defaults(run=_export)


def _configure_delete(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    delete = actions.add_parser(
        "delete",
        help="delete examples for good",
        description="Delete one example by its key, collections, or everything, and overwrite the bytes in the file "
        "and its log.",
        epilog="Example: fieldfare device delete --store examples.db --collection chat",
    )
    delete.add_argument("--store", type=Path, required=True, metavar="FILE", help="the example store")
    delete.add_argument("--key", metavar="KEY", help="the example of this key; with --collection only there")
    _add_collections(delete, "all of this collection; repeat it for several")
    delete.add_argument("--everything", action="store_true", help="all examples of all collections")
    delete.set_defaults(run=_delete)


def _add_collections(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--collection", action="append", default=[], metavar="NAME", help=words)


def _add(options: argparse.Namespace, console: Console) -> int:
    specs = _specs_to_fill(options)
    # Every file is read and checked before the first one is added, and before a store is made for them.
    read = [(path, read_examples(path, specs)) for path in options.files]
    with _store_to_fill(options) as store:
        limits = _limits(options, store.limits)
        if limits != store.limits:
            store.set_limits(limits)
        for path, examples in read:
            console.say(f"{path}: {store.add_many(examples, collection=options.collection)} examples added")
        console.say(f"{options.store} holds {store.count()} examples, {store.count(held_out=True)} of them held out")
    return 0


def _limits(options: argparse.Namespace, before: StoreLimits) -> StoreLimits:
    """What was given, over what there was; 0 is without limit."""
    given = {
        "max_examples": options.max_examples,
        "max_bytes": options.max_bytes,
        "max_age": options.max_age,
    }
    return replace(before, **{name: value or None for name, value in given.items() if value is not None})


def _days(text: str) -> timedelta:
    try:
        return timedelta(days=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days") from None


def _export(options: argparse.Namespace, console: Console) -> int:
    with ExampleStore.open(options.store) as store:
        console.say(f"{options.file}: {export(store, options.file, collections=options.collection)} examples")
    return 0


def _delete(options: argparse.Namespace, console: Console) -> int:
    apart = options.key is not None or bool(options.collection)
    if options.everything == apart:
        raise ConfigError("give --key, --collection or both, or else --everything")
    with ExampleStore.open(options.store) as store:
        if options.collection:
            deleted = sum(store.delete(key=options.key, collection=name) for name in options.collection)
        else:
            deleted = store.delete(key=options.key, everything=options.everything)
        console.say(f"{deleted} examples deleted; {options.store} holds {sum(store.collections().values())}")
    return 0


def _specs_to_fill(options: argparse.Namespace) -> tuple[TensorSpec, ...]:
    if options.store.exists():
        with _store_to_fill(options) as store:
            return store.specs
    if options.plan is None:
        raise ConfigError(f"is needed: {options.store} is not there yet, and the plan types it", field="--plan")
    return load_manifest(options.plan).example_specs


def _store_to_fill(options: argparse.Namespace) -> ExampleStore:
    if options.plan is None:
        return ExampleStore.open(options.store)
    specs = load_manifest(options.plan).example_specs
    return ExampleStore.create(options.store, specs, held_out_share=options.held_out)
