"""TensorBoard and MLflow, as far as they are wanted."""

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training.settings import LoggingSettings


def make_loggers(settings: LoggingSettings, folder: Path, hyperparameters: dict[str, Any]) -> list[Logger]:
    """Return Lightning's loggers; raises SettingsError where what they need is not installed."""
    loggers: list[Logger] = []
    if settings.tensorboard:
        loggers.append(_tensorboard(folder, settings.flush_secs))
    if settings.mlflow:
        loggers.append(_mlflow(settings))
        loggers[-1].log_hyperparams(hyperparameters)
    return loggers


def _tensorboard(folder: Path, flush_secs: int) -> Logger:
    try:
        return TensorBoardLogger(folder, name='', version='', flush_secs=flush_secs)
    except ModuleNotFoundError as error:
        raise SettingsError(
            'TensorBoard is not installed: pip install tensorboard, or set logging.tensorboard=false'
        ) from error


def _mlflow(settings: LoggingSettings) -> Logger:
    address = settings.mlflow
    if '://' not in address:
        # MLflow would rather have a database than files; for one person's runs files do, and need no server.
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        address = Path(address).resolve().as_uri()
    try:
        return MLFlowLogger(experiment_name=settings.experiment, tracking_uri=address)
    except ModuleNotFoundError as error:
        raise SettingsError('MLflow is not installed: pip install mlflow-skinny, or leave logging.mlflow') from error
