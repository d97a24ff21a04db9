"""Keys of signatures that are the converter's own; those that devices run are in `fieldfare.core.plans`."""

INFER_ONE = "infer_one"
"""`infer` for a single example: what an inference model is made of."""
