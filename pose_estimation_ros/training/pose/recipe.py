"""Recipes for training a pose network. Imports no torch."""

import logging
import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.methods.systems import DEFAULT_SYSTEM, find_method
from pose_estimation_ros.training.settings import NOT_NEGATIVE, POSITIVE, Recipe, move_old_setting, require

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetSettings:
    """One source of images.

    `coco` takes a folder of images and a file of annotations. `coco_annotated` is the same with one item for each image
    in which somebody is annotated, and masks people without keypoints as well as crowds. `coco_main_persons` is
    as prepared by Osokin (2018), with one item for each person who is large and complete enough; `coco_persons` has one
    item for each person. `mpii` takes the folder of images and train.json or valid.json, with one item for each person.
    `leeds` takes the folder of Leeds Sports Pose Extended as `images`. `synthetic` draws people on the spot.
    """

    kind: Literal['coco', 'coco_annotated', 'coco_main_persons', 'coco_persons', 'mpii', 'leeds', 'synthetic'] = (
        setting(MISSING, 'Kind of dataset.')
    )
    images: str = setting('', 'Folder, below data.root unless absolute.')
    annotations: str = setting('', 'File, below data.root unless absolute.')
    head_boxes: str = setting('', 'For validation on mpii: gt_valid.mat, below data.root unless absolute.')
    weight: float = setting(1.0, 'Relative frequency of this dataset in training.', above=0)
    limit: int = setting(0, 'Maximum number of images; 0 for all.', range=NOT_NEGATIVE)
    count: int = setting(1000, 'Number of synthetic images.', range=POSITIVE)
    size: tuple[int, int] = setting((256, 256), 'Height and width of synthetic images.')
    persons: tuple[int, int] = setting((1, 4), 'Minimum and maximum number of people in a synthetic image.')
    person_height: tuple[float, float] = setting(
        (0.3, 1.0), "Minimum and maximum height of people in synthetic images, as shares of the image's height."
    )
    seed: int = setting(0, 'Seed of synthetic images, portraits and collages.')
    labels: bool = setting(True, 'Learn from its labels; false leaves all keypoints to a teacher.')
    teacher: bool = setting(
        True, "Let a teacher, if there is one, label it; false learns from its own labels beside the teacher's."
    )
    from_behind: bool = setting(False, 'For leeds: only people seen from behind, by their labels.')
    portraits: tuple[float, float] = setting(
        (0.0, 0.0),
        'Crop each image around its first person, rotated upright: minimum and maximum side of the crop as multiples of'
        " the person's size; 0 keeps whole images.",
    )
    collage: tuple[int, int] = setting(
        (1, 1), 'Rows and columns of a collage of several images, for many small people; 1, 1 for none.'
    )
    keep: str = setting(
        '',
        'Folder, below data.root unless absolute, that stores synthetic images when they are drawn; empty draws them'
        ' again each time.',
    )

    def check(self, name: str) -> None:
        """Raise SettingsError, with `name` before the field, for values out of range."""
        check_settings(self, f'{name}.')
        require(self.kind == 'leeds' or not self.from_behind, f'{name}.from_behind is for leeds, got kind {self.kind}')
        require(min(self.collage) >= 1, f'{name}.collage must be rows and columns above 0, got {list(self.collage)}')
        require(min(self.size) >= 1, f'{name}.size must be height and width above 0, got {list(self.size)}')
        _require_limits(f'{name}.persons', self.persons, self.persons[0] >= 0, '0 or more')
        _require_limits(f'{name}.person_height', self.person_height, self.person_height[0] > 0, 'above 0')


@dataclass(frozen=True)
class DataSettings:
    """The datasets."""

    root: str = setting('.', 'Folder that other paths start from.')
    train: list[DatasetSettings] = setting(list, 'Datasets to train on.')
    validation: list[DatasetSettings] = setting(list, 'Datasets to score the network on.')

    def __post_init__(self) -> None:
        for name, datasets in (('train', self.train), ('validation', self.validation)):
            for index, dataset in enumerate(datasets):
                dataset.check(f'data.{name}[{index}]')


@dataclass(frozen=True)
class TransformSettings:
    """From images to network inputs."""

    kind: Literal['published', 'whole_image', 'varied', 'letterboxed', 'whole_picture'] = setting(
        'published',
        "published is the method's augmentation, with the settings of augmentation; whole_image pads the image to a"
        ' square and shifts it a little; varied crops at random positions and scales; letterboxed only pads. Top-down'
        ' methods have published only.',
    )
    size: int | None = setting(
        None,
        'Side in pixels of the square network input, null for the published one; top-down methods take it from the'
        " network's options.",
        range=(32, math.inf),
    )
    scale: tuple[float, float] = setting(
        (0.5, 2.0), "For varied: minimum and maximum length of the image's longer side, as multiples of size."
    )
    person_scale: float | None = setting(None, 'Earlier name of augmentation.scale of top-down methods.')
    person_rotation: float | None = setting(None, 'Earlier name of augmentation.rotation of top-down methods.')
    camera_like: bool = setting(
        False, 'Also change colours, blur and add noise, as cameras do; not in the published training.'
    )

    def __post_init__(self) -> None:
        if self.kind == 'whole_picture':
            LOG.warning('transform.kind: whole_picture is now whole_image; use the new name')
            object.__setattr__(self, 'kind', 'whole_image')
        check_settings(self, 'transform.')
        _require_limits('transform.scale', self.scale, self.scale[0] > 0, 'above 0')


@dataclass(frozen=True)
class ValidationSettings:
    """How networks are scored during training."""

    height: int | None = setting(
        None,
        'Input height, as --height of `evaluate`; null for the input size of training.',
    )
    metric: Literal['score', 'loss'] = setting(
        'score',
        'What the best checkpoint is chosen by: score is AP or PCKh of the detected poses; loss is the training loss on'
        ' the validation images without augmentation.',
    )
    flip: bool = setting(False, 'Also run every input mirrored, and merge both as the method does.')
    limit: int = setting(0, 'Number of images of each dataset, selected as by `evaluate --subset`; 0 for all.')


@dataclass(frozen=True)
class TeacherSettings:
    """Distillation from a trained network: its maps wherever labels say nothing, and its inner layers.

    The maps of `weights` are computed and stored before training, once for all trainings that name the same folder;
    later epochs change only colours. `network` is run in every step on the student's own inputs. Either may be given
    without the other.
    """

    weights: str = setting('', 'Model of the same method, in any form that commands load; empty for none.')
    count: int = setting(20000, 'Number of network inputs to store.', range=POSITIVE)
    keep: str = setting('taught', 'Folder for the stored inputs and maps, below data.root unless absolute.')
    precision: Literal['fp32', 'fp16', 'bf16'] = setting(
        'fp32', 'Precision of the teacher; bf16 halves the time on processors that have it.'
    )
    min_sure_keypoints: int = setting(
        0,
        'Train only on stored inputs in which the teacher is sure of at least this many keypoints, and on a tenth of'
        ' the others as background.',
        range=NOT_NEGATIVE,
    )
    sure_joints: int | None = setting(None, 'Earlier name of min_sure_keypoints.')
    balance_views: bool = setting(
        False, 'Repeat inputs that show people from behind until they are as many as those from the front.'
    )
    network: str = setting(
        '', 'Torch checkpoint of the same method whose inner layers are distilled as well; empty for none.'
    )
    features: list[str] = setting(
        list, 'Layers: paths of modules that both networks have, with maps of the same size, such as model.11 and cpm.'
    )
    features_weight: float = setting(
        10.0,
        "Weight of the layers' losses: mean squared errors of features, in units of the standard deviation of the"
        " teacher's.",
        range=NOT_NEGATIVE,
    )

    def __post_init__(self) -> None:
        move_old_setting(self, 'sure_joints', 'min_sure_keypoints', 'teacher.')
        check_settings(self, 'teacher.')
        twice = sorted({name for name in self.features if self.features.count(name) > 1})
        require(not twice, f'teacher.features must name each layer once, got {", ".join(twice)} again')
        require(
            bool(self.network) == bool(self.features),
            'teacher.network and teacher.features must be given together, got'
            f' {"the network" if self.network else "features"} alone; name the layers to learn and the checkpoint that'
            ' has them, or neither',
        )


@dataclass(frozen=True)
class PoseRecipe(Recipe):
    """All of a pose network's training."""

    method: str = setting(DEFAULT_SYSTEM, 'Published system to train.')
    network: dict[str, Any] = setting(dict, "Options of the method's network, such as num_refinement_stages.")
    objective: dict[str, Any] = setting(dict, "Settings of the method's training targets.")
    augmentation: dict[str, Any] = setting(dict, "Settings of the method's augmentation, such as rotation.")
    data: DataSettings = field(default_factory=DataSettings)
    transform: TransformSettings = field(default_factory=TransformSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)

    def __post_init__(self) -> None:
        for index, dataset in enumerate(self.data.train):
            require(
                dataset.labels or bool(self.teacher.weights),
                f'data.train[{index}].labels is false, so that nothing is known about its images; name a teacher with'
                ' teacher.weights, or set it to true',
            )
        for index, dataset in enumerate(self.data.validation):
            plain = dataset.labels and dataset.collage == (1, 1)
            require(plain, f'data.validation[{index}] can have neither labels: false nor a collage')

    @classmethod
    def defaults(cls, named: Callable[[str], str | None]) -> dict[str, Any]:
        """Return the method that is named, and what was published for it."""
        name = named('method') or DEFAULT_SYSTEM
        try:
            training = find_method(name).training
        except SettingsError:  # reported when the task is made
            return {}
        sections = {each: getattr(training, each) for each in ('optimizer', 'schedule', 'trainer', 'validation')}
        published = {f'{each}.{field}': value for each, values in sections.items() for field, value in values.items()}
        return {'method': name, **published}


def _require_limits(name: str, values: tuple[float, float], allowed: bool, expected: str) -> None:
    rising = allowed and values[0] <= values[1]
    require(rising, f'{name} must be minimum and maximum, {expected}, got {list(values)}')
