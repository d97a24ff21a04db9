"""The sub-commands `fieldfare export` and `fieldfare convert`. Importing one does not import TensorFlow."""
