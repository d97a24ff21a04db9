import pytest

from fieldfare.core.tasks import Algorithm, EligibilitySpec, unfit
from fieldfare.protos.v1.aggregator_pb2 import Capabilities

STAGES = frozenset({"float32"})
ANY = EligibilitySpec()


def capabilities(**changes) -> Capabilities:
    fields = {"protocol_version": 1, "encoding_stages": ["float32", "float16"], "sdk": "fieldfare 0.3.1"}
    return Capabilities(**{**fields, **changes})


def why(spec: EligibilitySpec = ANY, algorithm: Algorithm = Algorithm.FEDAVG, **changes) -> str | None:
    return unfit(spec, algorithm, STAGES, capabilities(**changes))


def test_every_device_is_fit_for_a_task_that_asks_for_nothing():
    assert why() is None
    assert why(sdk="") is None


def test_protocol_and_encoding():
    assert "protocol" in why(protocol_version=0)
    assert why(encoding_stages=["float16"]) == "it needs the encoding float32, which the device does not offer"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_device_that_names_no_algorithm_can_do_the_two_first_ones(algorithm):
    special = algorithm in {Algorithm.FEDPROX, Algorithm.SCAFFOLD}
    assert (why(algorithm=algorithm) is not None) == special
    assert why(algorithm=algorithm, algorithms=[algorithm.on_device.value]) is None
    assert "which the device does not offer" in why(algorithm=Algorithm.DSGD, algorithms=[Algorithm.FEDAVG.value])
    assert algorithm.on_device in {Algorithm.FEDAVG, Algorithm.DSGD, Algorithm.FEDPROX, Algorithm.SCAFFOLD}


def test_memory():
    spec = EligibilitySpec(min_memory_bytes=1000)
    assert why(spec, memory_bytes=1000) is None
    assert "1000 bytes" in why(spec, memory_bytes=999)
    assert "1000 bytes" in why(spec)


@pytest.mark.parametrize(
    ("sdk", "fit"),
    [
        ("fieldfare 0.3.0", True),
        ("fieldfare 0.3", True),
        ("fieldfare 0.10.0", True),
        ("fieldfare 0.2.9", False),
        ("fieldfare 0.3.0rc1", False),
        ("fieldfare 0.3.1rc1", True),
        ("fieldfare 0.3.0+local", True),
        ("fieldfare-swift 1", True),
        ("0.3.0", True),
        ("fieldfare", False),
        ("", False),
        ("fieldfare 9999999999999999999999", True),
    ],
)
def test_sdk_versions_are_compared_as_versions(sdk, fit):
    assert (why(EligibilitySpec(min_sdk="0.3.0"), sdk=sdk) is None) == fit
