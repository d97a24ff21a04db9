"""The steps that a device takes by itself from the plan's gradients: FedProx and SCAFFOLD."""

from fieldfare.core.local_steps._steps import CONTROL, ControlVariates, control_delta, proximal_step, scaffold_step

__all__ = ["CONTROL", "ControlVariates", "control_delta", "proximal_step", "scaffold_step"]
