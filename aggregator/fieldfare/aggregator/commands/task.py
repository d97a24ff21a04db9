"""`fieldfare task`: submit tasks, watch them, act on them, fetch what they made."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.aggregator.commands._connection import add_connection, connect
from fieldfare.core.command import Command, Console

if TYPE_CHECKING:
    from fieldfare.aggregator import AdminClient
    from fieldfare.protos.v1.aggregator_pb2 import PlanSignature

_CONTROLS = {
    "start": "let a draft begin",
    "pause": "hand out no new work",
    "resume": "go on",
    "cancel": "end a task for good",
}
_EXAMPLE = """examples:
  fieldfare task submit digits.tflite --population digits --name first --rounds 20 --target accuracy=0.95 --watch
  fieldfare task list
  fieldfare task show first --watch
  fieldfare task refusals first
  fieldfare task fetch first --output global.safetensors
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Submit tasks to an aggregator, watch them, act on them, and fetch the weights they made."
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _configure_submit(_action(actions, "submit", "submit a plan as a task; it runs at once, or is a draft", _submit))
    listing = _action(actions, "list", "list tasks", _list)
    listing.add_argument("--population", default="", help="only the tasks of this population")
    show = _action(actions, "show", "show a task and its rounds", _show)
    show.add_argument("task", help="id, its first characters (6 or more), or name where only one task has it")
    show.add_argument("--watch", action="store_true", help="go on until the task has ended")
    fetch = _action(actions, "fetch", "fetch the newest global weights of a task, or its plan", _fetch)
    fetch.add_argument("task", help="id, its first characters (6 or more), or name where only one task has it")
    fetch.add_argument("--output", type=Path, metavar="FILE", help="weights: .safetensors, .npz, or .weights for raw")
    fetch.add_argument("--plan", type=Path, metavar="FILE", help="where to write the plan")
    rounds = _action(actions, "rounds", "show a task's newest rounds, with every count", _rounds)
    rounds.add_argument("task", help="id, its first characters (6 or more), or name where only one task has it")
    rounds.add_argument("--last", type=int, default=50, metavar="N", help="the newest N (%(default)s)")
    refusals = _action(actions, "refusals", "count a task's refused reports by reason", _refusals)
    refusals.add_argument("task", help="id, its first characters (6 or more), or name where only one task has it")
    for name, doing in _CONTROLS.items():
        control = _action(actions, name, doing, _control)
        control.add_argument("task", help="id, its first characters (6 or more), or name where only one task has it")
        control.set_defaults(action=name)


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: object
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_connection(parser)
    parser.set_defaults(run=run)
    return parser


def _configure_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="the .tflite file that `fieldfare export` made")
    parser.add_argument("--config", type=Path, metavar="TOML", help="a task's specification; flags go before it")
    parser.add_argument("--name", help="for people; letters, digits, '.', '_' and '-'")
    parser.add_argument("--population", help="the devices that are asked")
    parser.add_argument("--rounds", type=int, metavar="N", help="training rounds at the most (10)")
    parser.add_argument("--goal", type=int, metavar="N", help="reports wanted in a round (10)")
    parser.add_argument("--minimum", type=int, metavar="N", help="fewest reports with which a round commits")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over a device's examples (1)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="examples in a step (the plan's batch)")
    parser.add_argument("--max-steps", type=int, metavar="N", help="steps of a device in a round (no limit)")
    metrics = "devices report held-out metrics before and after training too"
    parser.add_argument("--local-metrics", action="store_true", default=None, help=metrics)
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="on the device (the plan's own)")
    parser.add_argument(
        "--algorithm", metavar="NAME", help="FEDAVG, FEDADAM, SCAFFOLD, ...: docs/algorithms.md (FEDAVG)"
    )
    parser.add_argument("--combiner", metavar="NAME", help="MEAN, MEDIAN, TRIMMED_MEAN, KRUM or MULTI_KRUM (MEAN)")
    parser.add_argument("--server-learning-rate", type=float, metavar="RATE", help="factor of the round's update (1)")
    parser.add_argument("--over-selection", type=float, metavar="FACTOR", help="devices asked for each wanted (1.3)")
    parser.add_argument("--report-timeout", metavar="TIME", help="a device's time for its work, such as 5min (10min)")
    parser.add_argument("--min-separation", metavar="TIME", help="between two reports of a device, such as 1d (none)")
    parser.add_argument("--min-snapshot-updates", type=int, metavar="N", help="nothing is written before N are in (2)")
    parser.add_argument("--clip-norm", type=float, metavar="NORM", help="updates beyond it are scaled down (none)")
    parser.add_argument("--max-norm", type=float, metavar="NORM", help="updates beyond it are refused (none)")
    parser.add_argument("--encoding", metavar="STAGE", help="of updates: float32 or float16 (float32)")
    parser.add_argument("--kind", metavar="KIND", help="TRAINING, or EVALUATION of the given weights (TRAINING)")
    parser.add_argument("--draft", action="store_true", default=None, help="wait for `fieldfare task start`")
    parser.add_argument("--evaluate-every", type=int, metavar="N", help="training rounds for each evaluation (1)")
    parser.add_argument("--target", metavar="METRIC=VALUE", help="end when an evaluation reaches it")
    signature = "of `fieldfare plan sign`; may be given several times"
    parser.add_argument("--signature", type=Path, action="append", default=[], metavar="FILE", help=signature)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="initial weights: .safetensors, .npz or .weights")
    parser.add_argument("--watch", action="store_true", help="show the rounds until the task has ended")


COMMAND = Command("Submit, show and control tasks; fetch global weights", _configure)


def _submit(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._specs import spec_from_options
    from fieldfare.core.command import quiet_native_output
    from fieldfare.core.errors import PlanError
    from fieldfare.core.files import load_weights
    from fieldfare.core.plans import read_manifest

    spec = spec_from_options(options)
    try:
        plan = options.plan.read_bytes()
    except OSError as error:
        raise PlanError(f"cannot read the plan {options.plan}: {error.strerror or error}") from error
    manifest = read_manifest(plan)
    signatures = [_signature(path) for path in options.signature]
    weights = None if options.weights is None else load_weights(options.weights, manifest.weight_specs)
    with connect(options) as client:
        with quiet_native_output():
            status = client.submit(plan, spec, weights=weights, signatures=signatures)
        console.say(f"task {status.task_id} submitted: {spec.name} for population {spec.population}")
        return _watch(client, status.task_id, console) if options.watch else 0


def _signature(path: Path) -> "PlanSignature":
    from fieldfare.core.errors import PlanError
    from fieldfare.core.signing import plan_signature_from_file

    try:
        return plan_signature_from_file(path.read_bytes())
    except OSError as error:
        raise PlanError(f"cannot read the signature {path}: {error.strerror or error}") from error


def _list(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import table, task_row

    with connect(options) as client:
        tasks = client.list(options.population)
    if not tasks:
        console.say("no tasks")
        return 0
    for line in table(("task", "name", "population", "state", "rounds", "reason"), map(task_row, tasks)):
        console.say(line)
    return 0


def _show(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import task_lines

    with connect(options) as client:
        if options.watch:
            return _watch(client, options.task, console)
        for line in task_lines(client.show(options.task, 0)):
            console.say(line)
    return 0


def _rounds(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import round_lines
    from fieldfare.core.errors import ConfigError

    if options.last < 1:
        raise ConfigError("must be at least 1", field="--last")
    with connect(options) as client:
        rounds = client.show(options.task, 0).rounds
    for line in round_lines(rounds[-options.last :]):
        console.say(line)
    return 0


def _refusals(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import refusal_lines

    with connect(options) as client:
        rounds = client.show(options.task, 0).rounds
    for line in refusal_lines(rounds):
        console.say(line)
    return 0


def _watch(client: "AdminClient", task: str, console: Console) -> int:
    from fieldfare.aggregator.commands.watching import watch

    return watch(client, task, console)


def _fetch(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.core.errors import ConfigError
    from fieldfare.core.files import check_writable, save_weights, write_atomically
    from fieldfare.core.weights import check_format, unpack_weights

    if options.output is None and options.plan is None:
        raise ConfigError("nothing to fetch: give --output FILE, --plan FILE or both")
    if options.output is not None:
        check_format(options.output.suffix)
    for path in filter(None, (options.output, options.plan)):
        check_writable(path)
    with connect(options) as client:
        status = client.show(options.task)
        if options.output is not None:
            save_weights(options.output, *unpack_weights(client.fetch(status.checkpoint)))
            console.say(f"checkpoint version {status.checkpoint_version} written to {options.output}")
        if options.plan is not None:
            write_atomically(options.plan, client.fetch(status.plan))
            console.say(f"plan written to {options.plan}")
    return 0


def _control(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import enum_text
    from fieldfare.core.tasks import TaskAction
    from fieldfare.protos.v1 import task_pb2

    with connect(options) as client:
        status = client.control(options.task, TaskAction[options.action.upper()])
    console.say(f"task {status.spec.name} is {enum_text(task_pb2.TaskState, status.state, 'TASK_STATE_')}")
    return 0
