"""A device's own weights: fine-tuned on its examples, for its own predictions, and never sent."""

from fieldfare.sdk.personal._file import PersonalFile, PersonalRecord
from fieldfare.sdk.personal._personalise import overlaid, personalise
from fieldfare.sdk.personal._settings import Personal

__all__ = ["Personal", "PersonalFile", "PersonalRecord", "overlaid", "personalise"]
