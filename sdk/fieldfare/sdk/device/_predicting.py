"""What of a `Device` needs neither a lock nor a network: prediction, and with which weights."""

from typing import Any

from numpy.typing import NDArray

from fieldfare.core.plans import Examples
from fieldfare.sdk.device._current import Current
from fieldfare.sdk.device._folder import DeviceFolder
from fieldfare.sdk.device._predictor import Predictor
from fieldfare.sdk.personal import PersonalRecord


class Predicting:
    """Predicts from a device's folder. Methods may be called from any thread, also while a round runs.

    Args:
        folder: of the device.
    """

    def __init__(self, folder: DeviceFolder) -> None:
        self._folder = folder
        self._predictor = Predictor(folder)

    def predict(self, inputs: Examples, *, previous: bool = False, personal: bool = True) -> dict[str, NDArray[Any]]:
        """Outputs of the last good checkpoint, without a network; see `Predictor.predict`.

        Args:
            inputs: input name to a `(n, *shape)` array of the plan's dtype.
            previous: predict with the checkpoint before it.
            personal: predict with the device's own weights where there are any.

        Returns:
            Output name to a `(n, *shape)` array.

        Raises:
            NotFoundError: no round has been taken part in yet, or there is no previous checkpoint.
            DataError: inputs of the wrong name, shape or dtype.
        """
        return self._predictor.predict(inputs, previous=previous, personal=personal)

    def fall_back(self) -> Current:
        """Predict with the previous checkpoint from now on, until a newer one than the present has loaded well.

        May be called from any thread, also while a round runs.

        Returns:
            What is predicted with now.

        Raises:
            NotFoundError: there is no previous checkpoint.
            StorageError: the choice cannot be written.
        """
        return self._folder.fall_back()

    @property
    def personal(self) -> PersonalRecord | None:
        """What became of the last personalisation; None where there was none.

        Raises:
            StorageError: the file cannot be read.
        """
        return self._folder.personal.record()

    def drop_personal(self) -> None:
        """Remove the device's own weights: it predicts with the shared ones, until it personalises again.

        Raises:
            StorageError: the file cannot be removed.
        """
        self._folder.personal.clear()
