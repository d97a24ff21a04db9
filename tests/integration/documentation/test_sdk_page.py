"""The guide's Python runs, from its first block to its last, and its links within the page lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

from fieldfare.aggregator import Aggregator
from tests.support.commands import ROOT, environment

PAGE = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
_ADDRESS = "fl.example.org:443"


def test_a_device_is_ten_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10


def test_every_block_runs_after_the_one_before(tmp_path: Path) -> None:
    assert BLOCKS[0].count(_ADDRESS) == 1
    with Aggregator(tmp_path / "state") as aggregator:
        script = "\n".join(BLOCKS).replace(_ADDRESS, aggregator.address)
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Ended.IDLE" in done.stdout
    assert "no task for population 'digits'" in done.stdout


def test_links_within_the_page_lead_to_its_headings() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", PAGE))
    assert links
    assert links <= headings
