"""Errors that users can act on. A message states what was expected, what was found and what to do."""


class PoseEstimationError(Exception):
    """Base of the errors that the command line prints as one line before it exits with code 2."""


class ImageError(PoseEstimationError):
    """An image cannot be read or has an unsupported format."""


class SourceError(PoseEstimationError):
    """A video, folder, camera or bag cannot be opened or has no images."""


class WeightsError(PoseEstimationError):
    """A weights file cannot be read or does not fit the network."""


class BackendError(PoseEstimationError):
    """An inference backend, device or precision is not available on this machine."""


class SettingsError(PoseEstimationError):
    """A setting is out of range, or settings contradict each other."""


class OutputError(PoseEstimationError):
    """An output file or folder cannot be written."""


class DownloadError(PoseEstimationError):
    """A file cannot be downloaded, or is not the expected one."""


class TrainingError(PoseEstimationError):
    """Training cannot continue; files written before remain."""


class DatasetError(PoseEstimationError):
    """Images or annotations of a dataset are missing or invalid."""


class EvaluationError(PoseEstimationError):
    """Detections do not match the ground truth."""
