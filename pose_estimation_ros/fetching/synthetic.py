"""Synthetic people as a dataset in COCO's layout, for `evaluate` and other programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.datasets.synthetic_people import seed_of
from pose_estimation_ros.fetching.preparation import MADE, THERE, PreparationOptions, PreparationResult, PreparedPart
from pose_estimation_ros.synthetic import SceneSettings, generate_image

IMAGES = 'val2017'
ANNOTATIONS = f'annotations/person_keypoints_{IMAGES}.json'
"""Default paths of `evaluate`."""
MARK = 'synthetic.json'
"""Description of the dataset; written first, so that no other dataset is overwritten."""
PERSON = {'id': 1, 'name': 'person', 'supercategory': 'person'}


def prepare_synthetic(
    output: Path, count: int, seed: int, options: PreparationOptions, scene: SceneSettings | None = None
) -> PreparationResult:
    """Draw scenes and write them with annotations; the seed determines the images.

    Annotations are written last, so that an interrupted run does not look like a dataset. Raises SettingsError if the
    folder has another dataset or count or seed is out of range, and OutputError if it cannot be written to.
    """
    if count < 1 or seed < 0:
        raise SettingsError(f'synthetic people need a count of 1 or more and a seed of 0 or more, got {count}, {seed}')
    scene = scene or SceneSettings()
    as_json = json.loads(json.dumps(asdict(scene)))
    info = {'description': 'synthetic people', 'count': count, 'seed': seed, 'scene': as_json}
    known = _info(output / MARK)
    used = any((output / name).exists() for name in (IMAGES, ANNOTATIONS))
    if known != info and (known is not None or used):
        raise SettingsError(f'{output} holds another dataset; choose another folder or remove it')
    whole = (output / ANNOTATIONS).exists() and len(list((output / IMAGES).glob('*.jpg'))) == count
    if not whole and options.dry_run:
        return PreparationResult((), (f'{counted(count, "image")} would be drawn into {output}',))
    if not whole:
        write_json(make_folder(output) / MARK, info)
        _draw(output, count, seed, scene, info, options.progress)
    images = [path.stat().st_size for path in (output / IMAGES).glob('*.jpg')]
    annotations, state = (output / ANNOTATIONS).stat().st_size, THERE if whole else MADE
    return PreparationResult(
        (
            PreparedPart(IMAGES, output / IMAGES, len(images), sum(images), state),
            PreparedPart('annotations', output / ANNOTATIONS, 1, annotations, state),
        )
    )


def _draw(output: Path, count: int, seed: int, scene: SceneSettings, info: dict[str, Any], progress: bool) -> None:
    folder = make_folder(output / IMAGES)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, object]] = []
    for number in tqdm(range(count), desc='synthetic people', unit='image', disable=not progress):
        frame = generate_image(seed_of(seed, number), scene)
        name = f'{number:012d}.jpg'
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(cv2.imencode('.jpg', frame.image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
        images.append({'id': number, 'file_name': name, 'width': scene.width, 'height': scene.height})
        annotations += frame.to_coco(number, len(annotations) + 1)
    content = {'info': info, 'images': images, 'annotations': annotations, 'categories': [PERSON]}
    write_json(output / ANNOTATIONS, content)


def _info(path: Path) -> Any:
    """Return the description of a folder, None without one."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(f'{path} cannot be read; remove the folder to draw it again') from error
