"""Losses, regularisers and constraints train in a plan as they do in Keras."""

import pytest

pytest.importorskip("keras")

from tests.parity import constraints, losses, regularizers
from tests.parity.objectives import check_row
from tests.parity.rows import available

_LOSSES = available(losses.BRANCHES)
_REGULARIZERS = available(regularizers.ROWS)
_CONSTRAINTS = available(constraints.ROWS)


@pytest.mark.parametrize("row", _LOSSES, ids=lambda row: row.name)
def test_losses(row):
    check_row(_LOSSES, row)


@pytest.mark.parametrize("row", _REGULARIZERS, ids=lambda row: row.name)
def test_regularizers(row):
    check_row(_REGULARIZERS, row)


@pytest.mark.parametrize("row", _CONSTRAINTS, ids=lambda row: row.name)
def test_constraints(row):
    check_row(_CONSTRAINTS, row)
