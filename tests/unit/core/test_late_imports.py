"""Names that are imported when they are first asked for."""

import math

import pytest

from fieldfare.core.late_imports import late_imports


def test_a_name_comes_from_its_home_and_others_are_not_there() -> None:
    find = late_imports("some.package", {"tau": "math"})
    assert find("tau") == math.tau
    with pytest.raises(AttributeError, match=r"module 'some.package' has no attribute 'pi'"):
        find("pi")
