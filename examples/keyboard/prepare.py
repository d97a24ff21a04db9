"""Make a vocabulary and a plan of public texts: `python -m examples.keyboard.prepare --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.keyboard.app.keyboard import PLAN, VOCABULARY
from examples.keyboard.words import VOCABULARY_SIZE, Vocabulary, examples_of
from fieldfare.core.errors import DataError, FieldfareError, NotFoundError
from fieldfare.core.files import write_atomically

_ROOT = Path(__file__).parents[2]
_WIDTH = 64
_LEARNING_RATE = 0.5
_SEED = 1


def prepare(folder: Path, texts: Sequence[Path], *, epochs: int) -> Vocabulary:
    """Write `vocabulary.txt` and `plan.tflite`, whose weights were trained on these texts a little.

    Nobody's private text goes in: the vocabulary travels to every device, and so do the weights.

    Args:
        folder: made where it is absent.
        texts: public files in UTF-8; a line is a message.
        epochs: passes over them; 0 leaves the weights untrained.

    Raises:
        NotFoundError: no such file.
        DataError: a file that is no text, or no words in any.
        StorageError: the folder cannot be written.
    """
    sources = [_lines(path) for path in texts]
    vocabulary = Vocabulary.of(sources, size=VOCABULARY_SIZE)
    from examples.keyboard.experiment.central import train_central
    from examples.keyboard.model import build_model, export_plan

    model = build_model(len(vocabulary), seed=_SEED, width=_WIDTH)
    examples = examples_of(vocabulary, [line for lines in sources for line in lines])
    if epochs:
        train_central(model, examples, epochs=epochs)
    folder.mkdir(parents=True, exist_ok=True)
    export_plan(model, folder / PLAN, learning_rate=_LEARNING_RATE)
    write_atomically(folder / VOCABULARY, "\n".join(vocabulary.words).encode())
    return vocabulary


def own_texts() -> list[Path]:
    """The project's documentation: public text that is always at hand."""
    return sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md")])


def main(arguments: list[str] | None = None) -> int:
    """Make them, and say what they are."""
    parser = argparse.ArgumentParser(prog="python -m examples.keyboard.prepare", description=__doc__)
    parser.add_argument("texts", type=Path, nargs="*", metavar="FILE", help="public texts; default: the documentation")
    parser.add_argument("--output", type=Path, default=Path("runs/keyboard-model"), metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the texts; 0 for an untrained model")
    options = parser.parse_args(arguments)
    try:
        vocabulary = prepare(options.output, options.texts or own_texts(), epochs=options.epochs)
    except FieldfareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(vocabulary.words)} words, and a plan, in {options.output}")
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no text in UTF-8 that can be read") from error


if __name__ == "__main__":
    sys.exit(main())
