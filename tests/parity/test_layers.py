"""Layers and activations: five steps on LiteRT against Keras, for each row of the support table.

A class for each group, so that workers share them out: the first test of a class exports the group's model.
"""

from typing import ClassVar

import pytest

from tests.parity import layers_convolution, layers_core, layers_normalization, layers_recurrent, layers_resizing
from tests.parity.activations import FUNCTIONS, LAYERS
from tests.parity.branches import Branch
from tests.parity.comparison import check_group, check_row, compared
from tests.parity.rows import available

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]


def pytest_generate_tests(metafunc):
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("row", metafunc.cls.rows, ids=[one.name for one in metafunc.cls.rows])


@pytest.fixture(scope="class")
def result(request):
    return compared(request.cls.rows)


class Group:
    rows: ClassVar[tuple[Branch, ...]] = ()

    def test_trains_as_in_keras(self, result, row):
        check_row(result, row)

    def test_losses_and_outputs_are_those_of_keras_and_all_is_without_delegates(self, result):
        check_group(result)


class TestCore(Group):
    rows = layers_core.CORE


class TestMerging(Group):
    rows = layers_core.MERGING


class TestActivations(Group):
    rows = (*FUNCTIONS, *LAYERS)


class TestConvolution(Group):
    rows = layers_convolution.CONVOLUTION


class TestPooling(Group):
    rows = layers_convolution.POOLING


class TestVolumes(Group):
    rows = layers_convolution.VOLUMES


class TestResizing(Group):
    rows = layers_resizing.ROWS


class TestNormalization(Group):
    rows = available(layers_normalization.ROWS)


class TestRecurrent(Group):
    rows = layers_recurrent.RECURRENT


class TestCells(Group):
    rows = layers_recurrent.CELLS


class TestAttention(Group):
    rows = layers_recurrent.ATTENTION
