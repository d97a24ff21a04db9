"""Names of the weights in a plan and their keys in its signatures."""

from typing import Any

from fieldfare.core.plans import PlanTensor
from fieldfare.core.weights import TensorSpec


def weight_tensors(model: Any) -> tuple[PlanTensor, ...]:
    """The trainable weights in the model's order, named by their Keras path ("dense/kernel"), made unique."""
    taken: set[str] = set()
    tensors = []
    for index, variable in enumerate(model.trainable_variables):
        name, count = variable.path, 1
        while name in taken:
            name, count = f"{variable.path}_{count}", count + 1
        taken.add(name)
        tensors.append(PlanTensor(TensorSpec(name, "float32", tuple(variable.shape)), f"weight_{index}"))
    return tuple(tensors)
