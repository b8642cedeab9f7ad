"""TensorBoard and MLflow loggers; a training is one run of MLflow, however often it is resumed."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.training.settings import LoggingSettings

LOG = logging.getLogger(__name__)

FILE = 'mlflow_run.json'
"""Beside TensorBoard's files: address and id of the training's run."""

AT_ONCE = 100
"""Parameters that MLflow takes in one request."""
LONGEST = 500
"""Characters of a value that every version of MLflow takes."""
CHANGED = 'changed/'
"""Prefix of tags with values that differ since a resumption: MLflow lets no parameter change."""


def make_loggers(
    settings: LoggingSettings, folder: Path, parameters: Mapping[str, Any], resumed: bool = False
) -> list[Logger]:
    """Return Lightning's loggers; raises SettingsError if what they need is not installed."""
    loggers: list[Logger] = []
    if settings.tensorboard:
        try:
            loggers.append(TensorBoardLogger(folder, name='', version='', flush_secs=settings.flush_secs))
        except ModuleNotFoundError as error:
            raise SettingsError(
                'TensorBoard is not installed: pip install tensorboard, or set logging.tensorboard=false'
            ) from error
    if settings.mlflow:
        loggers.append(open_run(settings.mlflow, settings.experiment, folder, parameters, resumed))
    return loggers


def open_run(address: str, experiment: str, folder: Path, parameters: Mapping[str, Any], resumed: bool) -> MLFlowLogger:
    """Return the logger of a new run, or for a resumed training that of its own run, with its parameters logged.

    `address` is that of a server or a folder, `folder` holds FILE. Raises SettingsError if MLflow is not installed.
    """
    if '://' not in address:
        # MLflow prefers a database to files; for one person's runs files are enough, and need no server.
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        address = Path(address).resolve().as_uri()
    path = folder / FILE
    try:
        run_id = _earlier_run(path, address) if resumed else None
        logger = MLFlowLogger(experiment_name=experiment, tracking_uri=address, run_id=run_id)
    except ModuleNotFoundError as error:
        raise SettingsError('MLflow is not installed: pip install mlflow-skinny, or leave logging.mlflow') from error
    if run_id:
        logger.experiment.update_run(run_id, status='RUNNING')
    _log_parameters(logger, dict(flat(parameters)))
    make_folder(folder)
    write_json(path, {'address': address, 'run_id': logger.run_id})
    return logger


def flat(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, str]]:
    """Yield names such as optimizer/lr and data/train/0/kind, and their values as text."""
    for name, value in values.items():
        nested = value
        if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
            nested = {str(place): each for place, each in enumerate(value)}
        if isinstance(nested, Mapping) and nested:
            yield from flat(nested, f'{prefix}{name}/')
        else:
            yield f'{prefix}{name}', str(value)[:LONGEST]


def _earlier_run(path: Path, address: str) -> str | None:
    """Return the id of the run that the file names, None if it no longer exists."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        run_id = str(json.loads(path.read_text())['run_id'])
        if MlflowClient(address).get_run(run_id).info.lifecycle_stage == 'active':
            return run_id
    except (OSError, ValueError, KeyError, TypeError, MlflowException) as error:
        LOG.warning('starting a new MLflow run, since the earlier one is not found: %s', error)
        return None
    LOG.warning('starting a new MLflow run, since run %s of the training was deleted', run_id)
    return None


def _log_parameters(logger: MLFlowLogger, wanted: Mapping[str, str]) -> None:
    """Log parameters that the run lacks, and as tags those that it has with other values."""
    from mlflow.entities import Param, RunTag

    client, run_id = logger.experiment, logger.run_id
    there = client.get_run(run_id).data.params
    new = [Param(name, value) for name, value in wanted.items() if name not in there]
    changed = {name: value for name, value in wanted.items() if there.get(name, value) != value}
    for first in range(0, len(new), AT_ONCE):
        client.log_batch(run_id, params=new[first : first + AT_ONCE])
    client.log_batch(run_id, tags=[RunTag(f'{CHANGED}{name}', value) for name, value in changed.items()])
