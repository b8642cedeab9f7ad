"""A training as a process of its own: `small_training.py FOLDER JSON_OF_TRAINER_SETTINGS [resume]`."""

import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from conftest import Answers, StickPeople, make_settings, make_subject  # noqa: E402

from pose_estimation_ros.training.places import Places  # noqa: E402
from pose_estimation_ros.training.processes import Processes  # noqa: E402
from pose_estimation_ros.training.run import train  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)
    folder, trainer = Path(sys.argv[1]), json.loads(sys.argv[2])
    newest = Places.under(folder).written()[-1] if 'resume' in sys.argv else None
    validation = Answers() if 'validated' in sys.argv else None
    result = train(make_subject(StickPeople(9)), make_settings(**trainer), folder, validation, newest)
    rank = Processes.here('cpu').rank
    content = {'losses': result.losses, 'weights': result.network.state_dict(), 'evaluations': result.evaluations}
    torch.save(content, folder / f'result{rank}.pth')


if __name__ == '__main__':
    main()
