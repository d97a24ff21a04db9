"""The device itself: takes part in rounds, and predicts with the last good checkpoint."""

from fieldfare.sdk.device._current import Current, Models
from fieldfare.sdk.device._device import Device
from fieldfare.sdk.device._folder import DeviceFolder
from fieldfare.sdk.device._personaliser import Personaliser
from fieldfare.sdk.device._predictor import Predictor

__all__ = ["Current", "Device", "DeviceFolder", "Models", "Personaliser", "Predictor"]
