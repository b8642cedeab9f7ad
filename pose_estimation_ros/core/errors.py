"""What can go wrong and a user can do something about. Each message says what was expected, what came, what to do."""


class PoseEstimationError(Exception):
    """Base of all errors that the command line turns into one sentence and exit code 2."""


class ImageError(PoseEstimationError):
    """A picture cannot be read or is not of a supported kind."""


class SourceError(PoseEstimationError):
    """A video, folder or camera cannot be opened or holds nothing to read."""


class WeightsError(PoseEstimationError):
    """A weights file cannot be read or does not fit the network."""


class BackendError(PoseEstimationError):
    """An inference backend, device or precision is not available here."""


class SettingsError(PoseEstimationError):
    """A setting has a value outside its range, or settings contradict each other."""


class OutputError(PoseEstimationError):
    """A result cannot be written."""


class DownloadError(PoseEstimationError):
    """A file cannot be fetched, or is not the file it should be."""


class TrainingError(PoseEstimationError):
    """Training cannot go on; what was written before stays."""


class DatasetError(PoseEstimationError):
    """A dataset's pictures or annotations are missing, or not what they should be."""


class EvaluationError(PoseEstimationError):
    """Detections do not fit the truth that they are to be scored against."""
