"""A training as a process of its own: `small_training.py FOLDER JSON_OF_TRAINER_SETTINGS [resume] [validated]`.

With `hinted` it learns a teacher's layers besides.
With `scored ASSETS PICTURES HEIGHT` real weights are trained and scored on so many of the real pictures.
"""

import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from conftest import METHOD, Answers, StickPeople, jitter, make_hinted, make_settings, make_subject  # noqa: E402

from pose_estimation_ros.learners.pictures import coco_pictures  # noqa: E402
from pose_estimation_ros.learners.validation import CocoValidation  # noqa: E402
from pose_estimation_ros.training.places import Places  # noqa: E402
from pose_estimation_ros.training.processes import Processes  # noqa: E402
from pose_estimation_ros.training.run import Subject, train  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)
    folder, trainer = Path(sys.argv[1]), json.loads(sys.argv[2])
    newest = Places.under(folder).written()[-1] if 'resume' in sys.argv else None
    subject = (make_hinted if 'hinted' in sys.argv else make_subject)(StickPeople(9))
    validation = Answers() if 'validated' in sys.argv else None
    if 'scored' in sys.argv:
        assets, pictures, height = sys.argv[sys.argv.index('scored') + 1 :]
        subject, validation = real(Path(assets), int(pictures), int(height))
    result = train(subject, make_settings(**trainer), folder, validation, newest)
    rank = Processes.here('cpu').rank
    content = {'losses': result.losses, 'weights': result.network.state_dict(), 'evaluations': result.evaluations}
    torch.save(content, folder / f'result{rank}.pth')


def real(assets: Path, count: int, height: int) -> tuple:
    """Real weights on drawn people, and their validation on the published choice of real pictures."""
    path = assets / 'weights' / 'lwop_omz.pth'
    state_dict, options = METHOD.read_checkpoint(path)
    network = METHOD.network(options)
    METHOD.fit_weights(network, state_dict)
    subject = Subject(METHOD, network, METHOD.objective(options), StickPeople(9), jitter)
    coco = assets / 'coco'
    pictures = coco_pictures(coco / 'train2017', coco / 'annotations' / 'person_keypoints_train2017.json')
    return subject, CocoValidation(METHOD, pictures.subset(count), height)


if __name__ == '__main__':
    main()
