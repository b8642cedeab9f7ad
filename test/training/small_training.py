"""A training as a process of its own: `small_training.py FOLDER JSON_OF_TRAINER_SETTINGS [resume] [validated]`.

With `distilled` it also learns a teacher's layers.
With `scored ASSETS IMAGES HEIGHT` real weights are trained and scored on so many of the real images.
"""

import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from conftest import METHOD, Answers, StickPeople, jitter, make_distillation, make_settings, make_task  # noqa: E402

from pose_estimation_ros.evaluation.scored_images import coco_images  # noqa: E402
from pose_estimation_ros.training.engine import train  # noqa: E402
from pose_estimation_ros.training.folders import TrainingFolders  # noqa: E402
from pose_estimation_ros.training.pose.task import PoseData, PoseTask  # noqa: E402
from pose_estimation_ros.training.pose.validation import CocoValidation, pipeline_of  # noqa: E402
from pose_estimation_ros.training.processes import Processes  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)
    folder, trainer = Path(sys.argv[1]), json.loads(sys.argv[2])
    newest = TrainingFolders.under(folder).written()[-1] if 'resume' in sys.argv else None
    task = (make_distillation if 'distilled' in sys.argv else make_task)(StickPeople(9))
    task.validation = Answers() if 'validated' in sys.argv else None
    if 'scored' in sys.argv:
        assets, images, height = sys.argv[sys.argv.index('scored') + 1 :]
        task = real(Path(assets), int(images), int(height))
    result = train(task, make_settings(**trainer), folder, newest)
    rank = Processes.here('cpu').rank
    content = {'losses': result.losses, 'weights': result.network.state_dict(), 'evaluations': result.evaluations}
    torch.save(content, folder / f'result{rank}.pth')


def real(assets: Path, count: int, height: int) -> PoseTask:
    """Real weights on drawn people, validated on the published choice of real images."""
    path = assets / 'weights' / 'lwop_omz.pth'
    state_dict, options = METHOD.read_checkpoint(path)
    network = METHOD.network(options)
    METHOD.fit_weights(network, state_dict)
    data = PoseData(StickPeople(9), jitter, METHOD.objective(options))
    coco = assets / 'coco'
    images = coco_images(coco / 'train2017', coco / 'annotations' / 'person_keypoints_train2017.json')
    validation = CocoValidation(images.subset(count), pipeline_of(METHOD, options, height))
    return PoseTask(METHOD, network, data, validation=validation)


if __name__ == '__main__':
    main()
