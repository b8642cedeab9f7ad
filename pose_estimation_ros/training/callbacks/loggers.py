"""TensorBoard and MLflow loggers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training.callbacks.mlflow_run import open_run
from pose_estimation_ros.training.settings import LoggingSettings


def make_loggers(
    settings: LoggingSettings, folder: Path, parameters: Mapping[str, Any], resumed: bool = False
) -> list[Logger]:
    """Return Lightning's loggers; raises SettingsError if what they need is not installed."""
    loggers: list[Logger] = []
    if settings.tensorboard:
        loggers.append(_tensorboard(folder, settings.flush_secs))
    if settings.mlflow:
        loggers.append(open_run(settings.mlflow, settings.experiment, folder, parameters, resumed))
    return loggers


def _tensorboard(folder: Path, flush_secs: int) -> Logger:
    try:
        return TensorBoardLogger(folder, name='', version='', flush_secs=flush_secs)
    except ModuleNotFoundError as error:
        raise SettingsError(
            'TensorBoard is not installed: pip install tensorboard, or set logging.tensorboard=false'
        ) from error
