"""Fleets as they were measured: the numbers, and what is drawn from them."""

from fieldfare.emulator.devices.profiles._cellular import CellularModel, LinkModel, draw_bandwidths
from fieldfare.emulator.devices.profiles._circadian import STEP_S, CircadianModel, draw_conditions, draw_states
from fieldfare.emulator.devices.profiles._phones import (
    CELLULAR_NETWORKS,
    PHONE_DAYS,
    PHONE_MODELS,
    TRAINING_W,
    PhoneModels,
)

__all__ = [
    "CELLULAR_NETWORKS",
    "PHONE_DAYS",
    "PHONE_MODELS",
    "STEP_S",
    "TRAINING_W",
    "CellularModel",
    "CircadianModel",
    "LinkModel",
    "PhoneModels",
    "draw_bandwidths",
    "draw_conditions",
    "draw_states",
]
