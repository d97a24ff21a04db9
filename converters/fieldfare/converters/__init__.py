"""Keras to plan and back (draft)."""
