"""A plan with other initial weights: what a finished federation is handed out as."""

import copy

import numpy as np
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import (
    add_buffer,
    initial_assignments,
    pack,
    parse,
    prune_buffers,
    prune_tensors,
    weight_variables,
)
from fieldfare.core.errors import PlanError
from fieldfare.core.plans import PlanRuntime, attach_manifest, read_manifest
from fieldfare.core.weights import split_vector


def weights_into_plan(plan: bytes, vector: NDArray[np.float32]) -> bytes:
    """A copy of the plan whose initial weights are `vector`; everything else, the manifest too, is as before.

    Args:
        plan: the whole `.tflite` file.
        vector: `(total,)` float32, in the manifest's order.

    Raises:
        PlanError: not a plan, a damaged one, or one whose initialisation is not understood.
        WeightsError: a vector of another length.
    """
    manifest = read_manifest(plan)
    tensors = split_vector(manifest.weight_specs, vector)
    tree = parse(plan)
    variables, assignments = weight_variables(tree), initial_assignments(tree)
    for weight in manifest.weights:
        try:
            subgraph, operator = assignments[variables[weight.key]]
        except KeyError as error:
            raise PlanError(f"the plan does not initialise {weight.spec.name!r}; export it again") from error
        # A tensor of its own: equal initial values may share one, two biases of zeros for instance.
        tensor = copy.copy(subgraph.tensors[operator.inputs[1]])
        tensor.buffer = add_buffer(tree, tensors[weight.spec.name].astype("<f4", copy=False))
        subgraph.tensors.append(tensor)
        operator.inputs = [int(operator.inputs[0]), len(subgraph.tensors) - 1]
    for subgraph in {id(one): one for one, _ in assignments.values()}.values():
        prune_tensors(tree, subgraph)
    prune_buffers(tree)
    trained = attach_manifest(pack(tree), manifest)
    if not np.array_equal(PlanRuntime(trained, delegates=False).get_weights(), vector):
        raise PlanError("the weights did not go into the plan; export it again")
    return trained
