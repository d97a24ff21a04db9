"""Work that loads TensorFlow, in a process of its own: its memory is free again when the work is done."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from fieldfare.core.errors import FieldfareError

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_own_process(function: Callable[_P, _R], gone: FieldfareError, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
    """Call a function of a module in a new process, and wait for it.

    Args:
        function: of a module, so that the process finds it.
        gone: raised where the process ends before the function does.
        arguments: travel to the process, as the result travels back.
        named: the same.

    Raises:
        FieldfareError: what the function raised.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_quiet) as pool:
        try:
            return pool.submit(function, *arguments, **named).result()
        except BrokenProcessPool:
            raise gone from None


def _quiet() -> None:
    # TensorFlow tells of the processor and of absent GPUs otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
