"""Errors that a user can act on. Each message states what was expected, what was given and what to do."""


class PoseEstimationError(Exception):
    """Base class; the command line prints the message as one line and exits with code 2."""


class ImageError(PoseEstimationError):
    """An image cannot be read or has an unsupported format."""


class SourceError(PoseEstimationError):
    """A video, folder, camera or bag cannot be opened or contains no images."""


class WeightsError(PoseEstimationError):
    """A weights file cannot be read or does not fit the network."""


class BackendError(PoseEstimationError):
    """An inference backend, device or precision is not available on this machine."""


class SettingsError(PoseEstimationError):
    """A setting is out of range, or settings contradict each other."""


class OutputError(PoseEstimationError):
    """An output file or folder cannot be written."""


class DownloadError(PoseEstimationError):
    """A file cannot be downloaded, or is not the expected file."""


class TrainingError(PoseEstimationError):
    """Training cannot continue; files written before are kept."""


class DatasetError(PoseEstimationError):
    """Images or annotations of a data set are missing or malformed."""


class EvaluationError(PoseEstimationError):
    """Detections do not match the annotations that they are scored against."""
