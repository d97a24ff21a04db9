"""A fleet's behaviour from its settings: every device's own, drawn once."""

import math

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._availability import make_availability, window_availability
from fieldfare.emulator.devices._bandwidths import Bandwidths
from fieldfare.emulator.devices._behaviour import Behaviour
from fieldfare.emulator.devices._energy import make_energy
from fieldfare.emulator.devices._followers import Followers
from fieldfare.emulator.devices._memory import draw_memory
from fieldfare.emulator.devices._networks import Networks
from fieldfare.emulator.devices._states import METERED, UNMETERED, States, when_held
from fieldfare.emulator.devices._streams import (
    CELLULAR,
    NETWORK_SHIFTS,
    PHONES,
    RANKS,
    STATE_SHIFTS,
    STATES,
    TRAITS,
)
from fieldfare.emulator.devices.profiles import (
    CELLULAR_NETWORKS,
    PHONE_DAYS,
    PHONE_MODELS,
    TRAINING_W,
    draw_bandwidths,
    draw_states,
)
from fieldfare.emulator.devices.traces import read_networks, read_speeds, read_states
from fieldfare.emulator.scenario import FleetSettings

_BYTES_PER_MBIT = 125_000.0
_HOUR_S, _DAY_S = 3_600.0, 86_400.0
# Weeks and traces that are drawn; devices share them at shifts of their own, so that a million devices are no million.
_WEEKS = 512
_TRACES = 64
_HALF_HOUR_S = 1_800.0
_NETWORKS = {"metered": METERED, "unmetered": UNMETERED}


def draw_behaviour(settings: FleetSettings, devices: int, seed: int) -> Behaviour:
    """Draw what every device is like.

    Args:
        settings: of the scenario; its traces are read.
        devices: how many there are.
        seed: of the draws.

    Raises:
        DataError: a trace that cannot be used; names the line.
    """
    speeds, download, upload = _traits(settings, devices, seed)
    third = np.searchsorted(np.quantile(speeds, (1 / 3, 2 / 3)), speeds, side="right")
    phones = settings.profile == "phones"
    scale = np.array(TRAINING_W)[third] / TRAINING_W[-1] if phones else np.ones(devices)
    states, followers = _states(settings, devices, seed)
    if states is None:
        availability = window_availability(settings, devices, seed)
    else:
        cycles, holds = when_held(states, settings.conditions)
        availability = make_availability(cycles, holds, followers.pattern, followers.shift_s)
    changing = _changing(settings, devices, seed)
    kind = _NETWORKS[settings.network]
    networks = Networks(settings.latency, download, upload, changing, states, followers, kind)
    memory = draw_memory(settings.memory, PHONE_MODELS if phones else None, third, seed)
    return Behaviour(speeds, networks, availability, memory, make_energy(settings.energy, scale.astype(np.float32)))


def _traits(settings: FleetSettings, devices: int, seed: int) -> tuple[NDArray[np.float32], ...]:
    """`(devices,)` each: speed, and the bandwidths of networks that do not change, down and up."""
    rng = np.random.default_rng([seed, TRAITS])

    def around(median: float) -> NDArray[np.float32]:
        return rng.lognormal(math.log(median), settings.spread, devices).astype(np.float32)

    # Drawn in any case, so that a device's bandwidths do not depend on where its speed comes from.
    speeds = around(settings.examples_per_s)
    download = around(settings.download_mbit_s * _BYTES_PER_MBIT)
    upload = around(settings.upload_mbit_s * _BYTES_PER_MBIT)
    if settings.traces.speeds is not None:
        own = read_speeds(settings.traces.speeds)
        speeds = own[_dealt(devices, len(own), seed) % len(own)]
    elif settings.profile == "phones":
        chance = np.random.default_rng([seed, PHONES]).random(devices)
        relative = np.exp(np.interp(chance, PHONE_MODELS.shares, np.log(PHONE_MODELS.speeds)))
        speeds = (settings.examples_per_s * relative).astype(np.float32)
    return speeds, download, upload


def _states(settings: FleetSettings, devices: int, seed: int) -> tuple[States | None, Followers]:
    """What devices are doing, and whose pattern each follows."""
    rng = np.random.default_rng([seed, STATE_SHIFTS])
    if settings.traces.states is not None:
        states, begins = read_states(settings.traces.states)
        traces = len(begins)
        dealt = _dealt(devices, traces, seed)
        # The first of a trace's devices follows it to the second; others are earlier or later by what is drawn.
        spread = settings.available_spread.total_seconds()
        shift = np.where(dealt < traces, 0.0, np.round(rng.normal(0.0, spread, devices))) - begins[dealt % traces]
    elif settings.profile == "phones":
        traces = min(devices, _WEEKS)
        dealt = _dealt(devices, traces, seed)
        states = draw_states(PHONE_DAYS, traces, np.random.default_rng([seed, STATES]))
        # A model's week knows no weekdays, so whole days are a shift as any other.
        shift = _DAY_S * rng.integers(0, 7, devices) + np.round(rng.uniform(-_HALF_HOUR_S, _HALF_HOUR_S, devices))
    else:
        return None, Followers(np.zeros(devices, np.int32), np.zeros(devices))
    return states, Followers((dealt % traces).astype(np.int32), shift + settings.utc_offset_h * _HOUR_S)


def _changing(settings: FleetSettings, devices: int, seed: int) -> dict[int, tuple[Bandwidths, Followers]]:
    """Bandwidths that change, by kind of network."""
    found: dict[int, Bandwidths] = {}
    if settings.profile == "phones":
        found[METERED] = draw_bandwidths(CELLULAR_NETWORKS, _TRACES, np.random.default_rng([seed, CELLULAR]))
    if settings.traces.networks is not None:
        found.update(read_networks(settings.traces.networks))
    changing = {}
    for kind, bandwidths in found.items():
        traces = len(bandwidths.cycles.period_s)
        pattern = (_dealt(devices, traces, seed) % traces).astype(np.int32)
        # Devices that share a trace are at different moments of it.
        chance = np.random.default_rng([seed, NETWORK_SHIFTS, kind]).random(devices)
        changing[kind] = bandwidths, Followers(pattern, chance * bandwidths.cycles.period_s[pattern])
    return changing


def _dealt(devices: int, traces: int, seed: int) -> NDArray[np.intp]:
    """`(devices,)`: which trace each device gets, as the rest after division by their number.

    All different: who is below the number of traces is the first of its trace. It depends on the two numbers only, so
    that the k-th trace of one file and that of another go to the same devices where the files have as many.
    """
    return np.random.default_rng([seed, RANKS]).permutation(max(devices, traces))[:devices]
