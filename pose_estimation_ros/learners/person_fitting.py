"""`fit` of a top-down learner: persons, the published augmentation and schedule, and scores on true boxes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.transforms import Transform
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.learners.fitting import FitRequest, Fitting, published_scores
from pose_estimation_ros.learners.person_crops import person_network
from pose_estimation_ros.learners.person_datasets import PersonValidation
from pose_estimation_ros.learners.pictures import ScoredPictures
from pose_estimation_ros.learners.settings import TrainingSettings
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.store import ModelStore


def person_fitting(
    method: Method, training: TrainingSettings, backend: BackendSettings, temp_path: Path, request: FitRequest
) -> Fitting:
    """Return one `fit` of a top-down learner, with the published schedule unless the learner was given another."""
    return Fitting(method, training, backend, temp_path, request)


def fit_persons(
    fitting: Fitting,
    model: ModelStore,
    people: KeypointDataset,
    scored: ScoredPictures | None,
    transform: Transform | None,
) -> dict[str, Any]:
    """Train a model in place and return what `fit` returns; raises as `Fitting.train` does."""
    wanted, method = person_network(model), fitting.method
    validation = None
    if scored is not None:
        network = replace(wanted, label_corner=False)
        validation = PersonValidation(method, scored, network, verbose=fitting.request.tells)
    augment = transform or method.augmentation(model.options or model.arguments.options)
    try:
        result = fitting.train(model, people, augment, validation)
    finally:  # weights have changed, however training ended
        model.set_options(label_corner=False)
    scores = [published_scores(each) for each in result.evaluations]
    return {'heatmap_losses': result.losses['heatmaps_loss'], 'eval_results_list': scores}
