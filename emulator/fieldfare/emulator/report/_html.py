"""The page: facts, plots and the table of rounds, in one file that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldfare.core.files import write_atomically
from fieldfare.emulator.report._rounds import RoundRow


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


def write_report(
    path: Path, *, title: str, lead: str, facts: Sequence[Fact], plots: Sequence[Plot], rows: Sequence[RoundRow]
) -> None:
    """Render the page; every text is escaped, only the plots' SVG goes in as it is."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("fieldfare.emulator.report", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = sorted({name for row in rows for name in row.held_out})
    page = environment.get_template("report.html").render(
        title=title, lead=lead, facts=facts, plots=plots, rows=rows, names=names
    )
    write_atomically(path, page.encode())
