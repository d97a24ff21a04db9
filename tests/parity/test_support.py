"""The support table: complete, current, and its refusals are refusals."""

import keras
import pytest

from fieldfare.converters import export_keras
from fieldfare.converters.models import refusal
from fieldfare.core.errors import ModelError
from tests.parity import layers
from tests.parity.rows import PAGE_KERAS, has_keras
from tests.parity.table import PAGE, SECTION_MODULES, page, sections

of_the_page = pytest.mark.skipif(
    not has_keras(PAGE_KERAS), reason=f"docs/support.md accounts for the public names of Keras {PAGE_KERAS}"
)


@of_the_page
@pytest.mark.parametrize("section", sections(), ids=SECTION_MODULES)
def test_every_public_name_is_a_row_or_refused_or_a_helper(section):
    assert section.unaccounted == ()
    names = [row.name for row in section.rows]
    assert len(set(names)) == len(names)
    known = {*section.refused, *section.helpers, *(name for row in section.rows for name in row.covers)}
    assert known <= set(section.public_names)
    assert not set(section.refused) & {name for row in section.rows for name in row.covers}


@of_the_page
def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run make support"


_FOREIGN = {"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"}
_ARGUMENTS = {
    "AugMix": {},
    "CenterCrop": {"height": 4, "width": 4},
    "Discretization": {"bin_boundaries": [0.0, 1.0]},
    "HashedCrossing": {"num_bins": 3},
    "Hashing": {"num_bins": 3},
    "IntegerLookup": {"vocabulary": [1, 2, 3]},
    "MaxNumBoundingBoxes": {"max_number": 2},
    "MelSpectrogram": {"sequence_length": 32, "fft_length": 32, "num_mel_bins": 4},
    "Pipeline": {"layers": []},
    "RandomBrightness": {"factor": 0.1},
    "RandomColorDegeneration": {"factor": 0.1},
    "RandomContrast": {"factor": 0.1},
    "RandomCrop": {"height": 4, "width": 4},
    "RandomHue": {"factor": 0.1},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.1},
    "RandomSaturation": {"factor": 0.1},
    "RandomSharpness": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "STFTSpectrogram": {"mode": "log", "frame_length": 16, "frame_step": 8, "fft_length": 16},
    "StringLookup": {"vocabulary": ["a", "b"]},
    "TextVectorization": {"vocabulary": ["a", "b"], "output_sequence_length": 3},
}


def _refused_layer(name):
    kind = getattr(keras.layers, name)
    if name == "SpectralNormalization":
        return kind(keras.layers.Dense(2), name="refused_" + name)
    return kind(**_ARGUMENTS.get(name, {}), name="refused_" + name)


class Everything(keras.layers.Layer):
    """Holds layers and calls none of them: what is refused is refused for being there."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.last = keras.layers.Dense(1)

    def build(self, shape):
        self.last.build(shape)

    def call(self, inputs):
        return self.last(inputs)


def test_all_refused_layers_are_named_at_once_each_with_a_way_round(tmp_path):
    names = sorted(set(layers.SECTION.refused) - _FOREIGN)
    made = [_refused_layer(name) for name in names]
    model = keras.Sequential([keras.Input((4,)), Everything(made)])
    with pytest.raises(ModelError) as caught:
        export_keras(model, tmp_path / "plan.tflite", loss="mse")
    assert list(tmp_path.iterdir()) == []
    for name in names:
        (problem,) = (one for one in caught.value.problems if f"'refused_{name}'" in one)
        assert f"({name})" in problem
        assert layers.SECTION.refused[name] in problem
        assert ":" in problem.split(")", 1)[1]


@pytest.mark.parametrize("name", sorted(_FOREIGN))
def test_layers_of_other_frameworks_are_refused_by_their_class(name):
    assert "Keras layers" in refusal(getattr(keras.layers, name))


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (lambda: keras.layers.Resizing(3, 3, crop_to_aspect_ratio=True), (4, 6, 1), ("Cropping2D",)),
        (lambda: keras.layers.Resizing(6, 6, pad_to_aspect_ratio=True), (4, 6, 1), ("ZeroPadding2D",)),
        (lambda: keras.layers.Dense(2, name="größe"), (3,), ("name=",)),
        (lambda: keras.layers.Conv2D(2, 2, data_format="channels_first"), (3, 4, 4), ("channels_last",)),
    ],
    ids=["cropped", "padded", "name", "channels_first"],
)
def test_settings_are_refused_with_a_way_round(layer, shape, words, tmp_path):
    model = keras.Sequential([keras.Input(shape), layer(), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(ModelError) as caught:
        export_keras(model, tmp_path / "plan.tflite", loss="mse")
    assert all(any(word in one for one in caught.value.problems) for word in words)
    assert list(tmp_path.iterdir()) == []
