"""A training as a user writes it down: typed values that YAML files and the command line fill in. Imports no torch."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from pose_estimation_ros.training.settings import (
    LoggingSettings,
    OptimizerSettings,
    ScheduleSettings,
    Settings,
    TrainerSettings,
    require,
)


@dataclass(frozen=True)
class Part:
    """One source of pictures.

    `coco` takes a folder of images and a file of annotations, `coco_main_persons` the same as the published
    preparation cuts it up, one item for each person who is large and complete enough, `coco_persons` one for
    everybody. `mpii` takes the folder of images and train.json or valid.json, one item for each person. `leeds` takes
    the folder of Leeds Sports Pose Extended as `images`. `synthetic` draws people on the spot.
    """

    kind: Literal['coco', 'coco_main_persons', 'coco_persons', 'mpii', 'leeds', 'synthetic']
    images: str = ''
    """Folder, below data.root unless absolute."""
    annotations: str = ''
    """File, below data.root unless absolute."""
    head_boxes: str = ''
    """Of `mpii` to validate on: the published gt_valid.mat, below data.root unless absolute."""
    weight: float = 1.0
    """How often this part is drawn from, against the others."""
    limit: int = 0
    """Pictures of it to take; 0 for all."""
    count: int = 1000
    """Of synthetic pictures."""
    size: tuple[int, int] = (256, 256)
    """Height and width of synthetic pictures."""
    persons: tuple[int, int] = (1, 4)
    """Least and most in a synthetic picture."""
    person_height: tuple[float, float] = (0.3, 1.0)
    """Of people in synthetic pictures, in shares of the picture's height."""
    seed: int = 0
    """Of synthetic pictures, portraits and collages; another seed draws other people, cuts and composes otherwise."""
    labels: bool = True
    """Whether its labels count; false leaves it to a teacher to say where people are."""
    teacher: bool = True
    """Whether a teacher, where there is one, says where people are; with false these pictures are learnt from their own
    labels beside the teacher's lessons."""
    from_behind: bool = False
    """Of `leeds`: only people whose back is seen, by their labels."""
    portraits: tuple[float, float] = (0.0, 0.0)
    """Cut each picture around its first person, turned upright: least and greatest side of the window in sizes of the
    person; 0 leaves pictures whole."""
    collage: tuple[int, int] = (1, 1)
    """Rows and columns of pictures of this part that are put together in one, for many small people."""
    keep: str = ''
    """Folder, below data.root unless absolute, that synthetic pictures are kept in once they are drawn; empty draws
    them each time."""

    def check(self, place: str) -> None:
        """Raise SettingsError, which names the field of the part at `place`, for values out of range."""
        require(self.weight > 0, f'{place}.weight must be above 0, got {self.weight}')
        require(self.limit >= 0, f'{place}.limit must be 0 or more, got {self.limit}')
        require(self.kind == 'leeds' or not self.from_behind, f'{place}.from_behind is for leeds, got kind {self.kind}')
        require(min(self.collage) >= 1, f'{place}.collage must be rows and columns above 0, got {list(self.collage)}')
        require(self.count >= 1, f'{place}.count must be 1 or more, got {self.count}')
        require(min(self.size) >= 1, f'{place}.size must be height and width above 0, got {list(self.size)}')
        least, greatest = self.persons
        expected = 'least and greatest number, from 0'
        require(0 <= least <= greatest, f'{place}.persons must be {expected}, got {[least, greatest]}')
        low, high = self.person_height
        expected = 'least and greatest share above 0'
        require(0 < low <= high, f'{place}.person_height must be {expected}, got {[low, high]}')


@dataclass(frozen=True)
class DataSettings:
    """Which pictures."""

    root: str = '.'
    """Folder that other paths start from."""
    train: list[Part] = field(default_factory=list)
    """Parts to train on."""
    validation: list[Part] = field(default_factory=list)
    """Parts to score the network on."""

    def __post_init__(self) -> None:
        for name, parts in (('train', self.train), ('validation', self.validation)):
            for place, part in enumerate(parts):
                part.check(f'data.{name}[{place}]')


@dataclass(frozen=True)
class TransformSettings:
    """From pictures to network inputs."""

    kind: Literal['published', 'whole_picture', 'varied', 'letterboxed'] = 'published'
    """published crops around one person, as the method was trained; whole_picture fits the picture in and moves it a
    little; varied cuts out any part at any of many sizes; letterboxed only fits it in. A method that sees persons has
    published alone."""
    size: int = 368
    """Of the square network input, pixels. Of a method that sees persons the network's options say it."""
    scale: tuple[float, float] = (0.5, 2.0)
    """For varied: least and greatest length of the picture's longer side, in sizes."""
    person_scale: float = 0.3
    """Of a method that sees persons: how much the size varies; 0.25 was published for MPII."""
    person_rotation: float = 40.0
    """Of a method that sees persons: degrees of rotation; 30 was published for MPII."""
    camera_like: bool = False
    """Change colours, blur and add noise besides, as cameras do; not in the published training."""

    def __post_init__(self) -> None:
        require(self.size >= 32, f'transform.size must be 32 or more, got {self.size}')
        rising = 0 < self.scale[0] <= self.scale[1]
        require(rising, f'transform.scale must be least and greatest, above 0, got {list(self.scale)}')


@dataclass(frozen=True)
class ValidationSettings:
    """How networks are scored on the way."""

    height: int = 368
    """Rows that pictures are scaled to."""
    flip: bool = False
    """Of a method that sees persons: see crops mirrored too."""
    limit: int = 250
    """Pictures of each part, the choice that `evaluate --subset` makes; 0 for all."""


@dataclass(frozen=True)
class TeacherSettings:
    """A network that is good already, whose maps are learnt wherever labels say nothing, and its layers besides.

    What `weights` makes of transformed pictures is written down before the training begins, once for all trainings that
    name the same folder; after that only colours change from epoch to epoch. `network` is asked in every step what its
    layers make of the very pictures that the student sees. Either may be given without the other.
    """

    weights: str = ''
    """Model of the same method, as every command takes it; empty does without a teacher."""
    count: int = 20000
    """Network inputs to write down."""
    keep: str = 'taught'
    """Folder for them, below data.root unless absolute."""
    precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32'
    """In which the teacher runs; bf16 halves the time on processors that have it."""
    sure_joints: int = 0
    """Of those written down, learn from inputs in which the teacher is sure of so many joints, and from a tenth of
    the others, lest people be seen everywhere."""
    balance_views: bool = False
    """Repeat those that show somebody from behind until they are as many as those that show somebody's front."""
    network: str = ''
    """Torch checkpoint of the same method, whose layers are learnt besides; empty does without."""
    features: list[str] = field(default_factory=list)
    """Layers: paths of modules that both networks have, with maps of the same size, such as model.11 and cpm."""
    features_weight: float = 10.0
    """Of the layers' errors against the rest of the loss. Each layer's is a mean of squares, in units in which the
    teacher's features vary by about 1."""

    def __post_init__(self) -> None:
        require(self.sure_joints >= 0, f'teacher.sure_joints must be 0 or more, got {self.sure_joints}')
        require(self.count >= 1, f'teacher.count must be 1 or more, got {self.count}')
        weighs = 0 <= self.features_weight < math.inf
        require(weighs, f'teacher.features_weight must be 0 or more, got {self.features_weight}')
        twice = sorted({name for name in self.features if self.features.count(name) > 1})
        require(not twice, f'teacher.features must name each layer once, got {", ".join(twice)} again')
        require(
            bool(self.network) == bool(self.features),
            'teacher.network and teacher.features must be given together, got'
            f' {"the network" if self.network else "features"} alone; name the layers to learn and the checkpoint that'
            ' has them, or neither',
        )


@dataclass(frozen=True)
class StartSettings:
    """What weights a training begins with; random ones where nothing is named."""

    backbone: str = ''
    """A published ImageNet file."""
    checkpoint: str = ''
    """A whole network's file: weights alone are taken from it, as the published second and third steps do."""
    new_parts: bool = False
    """Let the network have parts that the checkpoint lacks, such as more refinement stages."""
    iteration: int = 0
    """What iterations are counted from."""

    def __post_init__(self) -> None:
        require(not (self.backbone and self.checkpoint), 'start takes a backbone or a checkpoint, not both')
        require(self.iteration >= 0, f'start.iteration must be 0 or more, got {self.iteration}')


@dataclass(frozen=True)
class Recipe:
    """All of a training."""

    method: str = 'lightweight_openpose'
    """Published system to train."""
    network: dict[str, Any] = field(default_factory=dict)
    """Options of the method's network, such as num_refinement_stages."""
    objective: dict[str, Any] = field(default_factory=dict)
    """Settings of its targets."""
    data: DataSettings = field(default_factory=DataSettings)
    transform: TransformSettings = field(default_factory=TransformSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    start: StartSettings = field(default_factory=StartSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    seed: int = 0
    """Of weights, order and augmentation."""

    def __post_init__(self) -> None:
        taught = bool(self.teacher.weights)
        for place, part in enumerate(self.data.train):
            require(
                part.labels or taught,
                f'data.train[{place}].labels is false, so that nothing is known of its pictures; name a model that'
                ' knows with teacher.weights, or set it to true',
            )
        for place, part in enumerate(self.data.validation):
            plain = part.labels and part.collage == (1, 1)
            require(plain, f'data.validation[{place}] can have neither labels: false nor a collage')

    @property
    def settings(self) -> Settings:
        """Return what the engine needs to know."""
        require(self.seed >= 0, f'seed must be 0 or more, got {self.seed}')
        return Settings(self.optimizer, self.schedule, self.trainer, self.logging, self.seed, self.start.iteration)
