import re
import subprocess
import sys
from pathlib import Path

import pytest

from fieldfare.aggregator import Aggregator

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run_snippet(text: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_device_snippet_runs_and_is_under_twenty_lines(tmp_path):
    snippet = SNIPPETS[0]
    assert len(snippet.splitlines()) < 20
    with Aggregator(tmp_path / "state") as aggregator:
        assert "127.0.0.1:8470" in snippet
        printed = run_snippet(snippet.replace("127.0.0.1:8470", aggregator.address), tmp_path)
    assert "Ended.IDLE" in printed
    assert "no task for population 'digits'" in printed


@pytest.mark.slow
def test_the_engineers_snippet_runs(tmp_path):
    printed = run_snippet(SNIPPETS[1], tmp_path)
    assert "ROUND_STATE_SELECTING" in printed


def test_there_are_no_other_snippets():
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
