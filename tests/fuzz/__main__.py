"""`python -m tests.fuzz --runs 1000000`, or `--seconds 60`; what fails is printed with the command that repeats it."""

import argparse
import logging
import sys
import time

from tests.fuzz.run import DefectError, one, run
from tests.fuzz.targets import TARGETS, sites


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feed decoders with damaged input.")
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument("--runs", type=int, metavar="N", help="so many inputs")
    amount.add_argument("--seconds", type=float, metavar="S", help="as many as there is time for")
    amount.add_argument("--input", type=int, metavar="NUMBER", help="one input again; needs --target and --seed")
    parser.add_argument("--seed", type=int, default=None, help="of the inputs; by default the time")
    parser.add_argument("--target", choices=sorted(TARGETS), default="", help="only this one")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    seed = int(time.time()) if options.seed is None else options.seed
    began = time.monotonic()
    with sites():
        try:
            if options.input is not None:
                print(one(options.target, seed, options.input))
                return 0
            result = run(seed, _amount(options, began), options.target)
        except DefectError as error:
            print(error, file=sys.stderr)
            raise SystemExit(1) from error
    seconds = time.monotonic() - began
    for name, outcomes in sorted(result.outcomes.items()):
        words = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
        print(f"{name:<14} {outcomes.total():>8}  {words}")
    print(f"{result.inputs} inputs in {seconds:.0f} s ({result.inputs / seconds:.0f} a second), seed {seed}: no defect")
    return 0


def _amount(options: argparse.Namespace, began: float):
    if options.runs is not None:
        return lambda number: number < options.runs
    return lambda _number: time.monotonic() - began < options.seconds


if __name__ == "__main__":
    sys.exit(main())
