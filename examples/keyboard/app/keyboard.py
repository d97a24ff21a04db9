"""A person's keyboard without its screen: suggestions, the store, the device, and what may be deleted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.app.background import Background, TellingTrainer
from examples.keyboard.app.typing import split_draft, suggested
from examples.keyboard.words import Vocabulary, context_of, examples_of
from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.plans import Examples, PlanRuntime
from fieldfare.core.sessions import RetrySettings
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.sdk import Conditions, Device, ExampleStore, Ledger
from fieldfare.sdk.personal import Personal, PersonalRecord
from fieldfare.sdk.store import StoreLimits

PLAN, VOCABULARY = "plan.tflite", "vocabulary.txt"
HELD_OUT_SHARE = 0.2
LEAST_EXAMPLES = 4
"""To train on, before the device calls anybody."""

_LIMITS = StoreLimits(max_examples=20_000, max_age=timedelta(days=180))
_PERSONAL = Personal(local=LocalTrainingSpec(epochs=3, learning_rate=0.3, min_examples=LEAST_EXAMPLES))
_RETRY = RetrySettings(first=timedelta(milliseconds=500), longest=timedelta(minutes=1), wait=timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class KeyboardSettings:
    """Where a keyboard lives, and whom it works with.

    Attributes:
        folder: the person's own: examples, ledger, checkpoints.
        model: the folder with `plan.tflite` and `vocabulary.txt` that the app came with.
        aggregator: "host:port".
        population: the keyboards that learn together.
        conditions: when it may work.
        pause: between two participations at the least, also over a restart.
        tls_ca: PEM file of the authorities to trust; default: the system's.
        enrollment_key: for an aggregator that asks for one.
    """

    folder: Path
    model: Path
    aggregator: str
    population: str = "keyboards"
    conditions: Conditions = field(default_factory=Conditions)
    pause: timedelta = timedelta(minutes=15)
    tls_ca: Path | None = None
    enrollment_key: str = ""


class Keyboard:
    """Suggests words, keeps what was typed as examples, and takes part in rounds in the background.

    Args:
        settings: see there.

    Raises:
        NotFoundError: no model.
        DataError: vocabulary and plan do not belong together.
        StorageError: the folder cannot be used.
    """

    def __init__(self, settings: KeyboardSettings) -> None:
        self._settings = settings
        self._vocabulary = Vocabulary.read(settings.model / VOCABULARY)
        plan = settings.model / PLAN
        if not plan.is_file():
            raise NotFoundError(f"there is no {plan}: make one with python -m examples.keyboard.prepare")
        self._first = PlanRuntime(plan)
        self._check_model(plan)
        self._store = ExampleStore.create(
            settings.folder / "examples.db",
            self._first.manifest.example_specs,
            held_out_share=HELD_OUT_SHARE,
            limits=_LIMITS,
        )
        self._device = self._open_device()
        self._tell: Callable[[str], None] | None = None
        self._background: Background | None = None

    @property
    def ledger(self) -> Ledger:
        """Every message that left this device."""
        return self._device.ledger

    @property
    def own(self) -> PersonalRecord | None:
        """What became of the last fine-tuning for this person alone; None before the first."""
        return self._device.personal

    @property
    def folder(self) -> Path:
        """Where everything is that this person typed, and what was made from it."""
        return self._settings.folder

    def start(self, tell: Callable[[str], None]) -> None:
        """Take part, in a thread of its own, as soon as there are a few examples; before that nothing is sent at all.

        Args:
            tell: told what the device does, in words; called from any thread.
        """
        self._tell = tell
        self._begin()

    def pause(self) -> None:
        """Take part no more, until the next `start`; gives up what is being done, between two steps."""
        self._tell = None
        if self._background is not None:
            self._background.close()
            self._background = None

    def suggest(self, draft: str) -> tuple[str, ...]:
        """Up to three words for a draft, the likeliest first."""
        finished, begun = split_draft(draft)
        context, place = context_of(self._vocabulary, finished)
        return suggested(self._vocabulary, self._foretell(context)[0, place], begun)

    def keep(self, message: str) -> int:
        """Put a message into the example store, as ids of words; a word outside of the vocabulary becomes "unknown".

        Returns:
            How many examples it made; none where it has no word.
        """
        examples = examples_of(self._vocabulary, [message])
        if not examples["ids"].size:
            return 0
        added = self._store.add_many(examples)
        self._begin()
        return added

    def kept(self) -> int:
        """Examples in the store."""
        return self._store.count()

    def delete_everything(self) -> int:
        """Delete all examples, the weights that were tuned to them, and the report that is not yet sent.

        The ledger stays: it holds nothing that was typed, and is the record of what left. So do the shared checkpoints.

        Returns:
            How many examples were deleted.

        Raises:
            StateError: it takes part: `pause` first.
        """
        self._device.forget()
        return self._store.delete(everything=True)

    def close(self) -> None:
        """End the background work, and close every file. May be called twice."""
        self.pause()
        self._device.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _say(self, text: str) -> None:
        tell = self._tell
        if tell is not None:
            tell(text)

    def _begin(self) -> None:
        if self._tell is None or self._background is not None:
            return
        missing = LEAST_EXAMPLES - self._store.count(held_out=False)
        if missing > 0:
            self._tell(f"nothing is sent before there is more to learn from: {missing} examples are missing")
            return
        self._background = Background(self._device, self._tell)
        self._background.start()

    def _open_device(self) -> Device:
        settings = self._settings
        return Device(
            settings.folder / "device",
            aggregator=settings.aggregator,
            population=settings.population,
            store=self._store,
            tls_ca=settings.tls_ca,
            enrollment_key=settings.enrollment_key,
            conditions=settings.conditions,
            min_separation=settings.pause,
            retry=_RETRY,
            trainer=TellingTrainer(self._say),
            personal=_PERSONAL,
        )

    def _foretell(self, context: Examples) -> NDArray[np.float32]:
        try:
            (logits,) = self._device.predict(context).values()
        except NotFoundError:
            # Before the first round there is no checkpoint but the one that the app came with.
            (logits,) = self._first.infer(context).values()
        return logits

    def _check_model(self, plan: Path) -> None:
        outputs = self._first.manifest.outputs
        if len(outputs) != 1 or outputs[0].spec.shape[-1:] != (len(self._vocabulary),):
            raise DataError(f"{plan} is not for the {len(self._vocabulary)} ids of the vocabulary beside it")
