"""The page: facts, sections of plots and tables, in one file that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldfare.core.files import write_atomically


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure at the top of the page."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Plot:
    """An SVG with its caption."""

    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; all columns but the first `words` are numbers, and stand to the right."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        text: what there is to know of it; empty for nothing.
        plots: stand side by side where there is room.
        tables: below them.
        verbatim: a text as it is, such as a file.
        folded: closed until it is opened, for what is long.
    """

    title: str
    text: str = ""
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    verbatim: str = ""
    folded: bool = False


def write_report(path: Path, *, title: str, lead: str, facts: Sequence[Fact], sections: Sequence[Section]) -> None:
    """Render the page; every text is escaped, only the plots' SVG goes in as it is.

    Raises:
        StorageError: it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("fieldfare.emulator.report", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(title=title, lead=lead, facts=facts, sections=sections)
    write_atomically(path, page.encode())
