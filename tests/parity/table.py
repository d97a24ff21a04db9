"""docs/support.md, made from the sections. `python -m tests.parity.table` writes it; a test fails where it is old."""

from importlib import import_module
from pathlib import Path

from tests.parity.rows import Row, Section

SECTION_MODULES = ("layers", "activations", "losses", "metrics", "optimizers", "regularizers", "constraints")
"""Modules of tests/parity with a `SECTION`, in the order of the page."""

PAGE = Path(__file__).parents[2] / "docs" / "support.md"
_INTRO = """\
# What trains in a plan

Made by `make support` from the rows that `tests/parity/` trains: do not edit by hand. Each row took five training steps
on LiteRT and in Keras, from the same weights on the same batches, the last one short: every weight, statistic and
variable of the optimiser, the loss of each step, the metrics of `evaluate` and the outputs of `infer` agree to 1e-5
(largest difference of a tensor over its largest value). A random layer is compared in distribution instead.

What is refused is refused by name when the model is exported, all of it in one error. A layer of your own that is made
of Keras or TensorFlow operations exports where TFLite has its operations, or where one of the stand-ins of the last
section replaces them.
"""


def sections() -> tuple[Section, ...]:
    """All sections, in the order of the page."""
    return tuple(import_module(f"tests.parity.{name}").SECTION for name in SECTION_MODULES)


def page() -> str:
    """The page as Markdown."""
    return "\n".join([_INTRO, *(_section(one) for one in sections()), _registries()])


def _section(section: Section) -> str:
    lines = [f"## {section.title}", ""]
    if section.intro:
        lines += [section.intro, ""]
    lines += ["| trains | stands in for Keras's own operations | notes |", "|---|---|---|"]
    lines += [_line(row) for row in section.rows]
    if section.refused:
        lines += ["", "| refused | why, and what to do instead |", "|---|---|"]
        lines += [f"| {_names(names)} | {_cell(reason)} |" for reason, names in _by_reason(section).items()]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    notes = [f"from Keras {row.since}"] if row.since else []
    notes += [row.note] if row.note else []
    return f"| {_cell(row.name)} | {_cell(row.stand_ins())} | {_cell('; '.join(notes))} |"


def _by_reason(section: Section) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in sorted(section.refused.items()):
        found.setdefault(reason, []).append(name)
    return found


def _names(names: list[str]) -> str:
    return ", ".join(names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _registries() -> str:
    from fieldfare.converters.lowerings import lowered_ops, replaced_ops

    return "\n".join(
        [
            "## Stand-ins by TensorFlow's operation",
            "",
            f"Gradient lowered: {', '.join(lowered_ops())}.",
            "",
            f"Replaced: {', '.join(replaced_ops())}.",
            "",
        ]
    )


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
