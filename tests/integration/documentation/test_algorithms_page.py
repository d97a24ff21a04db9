"""The tasks that the page shows can be submitted, and it leaves nothing out."""

import re
import tomllib
from pathlib import Path

import pytest

from fieldfare.core.tasks import Algorithm, Combiner, task_spec_from_mapping

PAGE = (Path(__file__).parents[3] / "docs" / "algorithms.md").read_text()
TASKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", TASKS)
def test_every_task_on_the_page_is_accepted(text: str) -> None:
    spec = task_spec_from_mapping(tomllib.loads(text))
    # It asks for something, and so differs from a task that does not.
    assert spec.aggregation != task_spec_from_mapping({"name": spec.name, "population": spec.population}).aggregation


def test_the_page_names_every_algorithm_and_combiner() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)`", PAGE, re.MULTILINE))
    assert {one.name for one in (*Algorithm, *Combiner)} <= rows
    assert len(TASKS) == 3
