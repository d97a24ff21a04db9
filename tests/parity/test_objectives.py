"""Losses, regularisers and constraints train in a plan as they do in Keras."""

import pytest

pytest.importorskip("keras")

from tests.parity import constraints, losses, regularizers
from tests.parity.objectives import check_row


@pytest.mark.parametrize("row", losses.BRANCHES, ids=lambda row: row.name)
def test_losses(row):
    check_row(losses.BRANCHES, row)


@pytest.mark.parametrize("row", regularizers.ROWS, ids=lambda row: row.name)
def test_regularizers(row):
    check_row(regularizers.ROWS, row)


@pytest.mark.parametrize("row", constraints.ROWS, ids=lambda row: row.name)
def test_constraints(row):
    check_row(constraints.ROWS, row)
