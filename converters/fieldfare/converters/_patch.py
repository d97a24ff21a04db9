"""A plan with other initial weights: what a finished federation is handed out as."""

import copy

import numpy as np
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import (
    add_buffer,
    assigned_variables,
    initial_assignments,
    pack,
    parse,
    prune_buffers,
    prune_tensors,
)
from fieldfare.converters._vector import trained_tensors
from fieldfare.core.errors import PlanError
from fieldfare.core.plans import PlanRuntime, attach_manifest, read_manifest


def weights_into_plan(plan: bytes, vector: NDArray[np.float32]) -> bytes:
    """A copy of the plan that starts from `vector`, as if `set_weights` had been called; the manifest is as before.

    Args:
        plan: the whole `.tflite` file.
        vector: `(total,)` float32, in the manifest's order.

    Raises:
        PlanError: not a plan, a damaged one, or one whose initialisation is not understood.
        WeightsError: a vector of another length, or one that is not finite.
    """
    manifest = read_manifest(plan)
    tensors = trained_tensors(manifest, vector)
    tree = parse(plan)
    variables, assignments = assigned_variables(tree), initial_assignments(tree)
    for weight in manifest.weights:
        try:
            places = [assignments[name] for name in variables[weight.key]]
        except KeyError as error:
            raise PlanError(f"the plan does not initialise {weight.spec.name!r}; export it again") from error
        for subgraph, operator in places:
            # A tensor of its own: equal initial values may share one, two biases of zeros for instance.
            tensor = copy.copy(subgraph.tensors[operator.inputs[1]])
            tensor.buffer = add_buffer(tree, tensors[weight.spec.name])
            subgraph.tensors.append(tensor)
            operator.inputs = [int(operator.inputs[0]), len(subgraph.tensors) - 1]
    for subgraph in {id(one): one for one, _ in assignments.values()}.values():
        prune_tensors(tree, subgraph)
    prune_buffers(tree)
    trained = attach_manifest(pack(tree), manifest)
    if not np.array_equal(PlanRuntime(trained, delegates=False).get_weights(), vector):
        raise PlanError("the weights did not go into the plan; export it again")
    return trained
