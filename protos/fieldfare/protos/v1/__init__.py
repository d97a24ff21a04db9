"""Version 1 of the wire format. `generate.py` in the folder above makes the `_pb2` modules; they are committed."""
