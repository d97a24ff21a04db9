"""That the package is light to import."""

import subprocess
import sys

import pytest


def test_the_commands_are_configured_without_tensorflow():
    code = (
        "import argparse, sys\n"
        "import fieldfare.converters.commands.export as export, fieldfare.converters.commands.convert as convert\n"
        "for one in (export, convert): one.COMMAND.configure(argparse.ArgumentParser())\n"
        "import fieldfare.converters; dir(fieldfare.converters)\n"
        "print(sorted({'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there():
    import fieldfare.converters as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError):
        _ = package.nothing_of_the_kind


def test_weight_names_are_unique_and_keyed_in_order():
    keras = pytest.importorskip("keras")
    from fieldfare.converters.models import selected

    inner = keras.Input((2,))
    twins = [keras.layers.Dense(2, name="twin", use_bias=False) for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((2,)), *(keras.Model(inner, twin(inner), name=f"part{index}") for index, twin in enumerate(twins))]
    )
    with selected(model, ()) as selection:
        tensors = selection.tensors
    assert [one.key for one in tensors] == ["weight_0", "weight_1"]
    assert len({one.spec.name for one in tensors}) == 2
    assert [one.spec.shape for one in tensors] == [(2, 2), (2, 2)]
