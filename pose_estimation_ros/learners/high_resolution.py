"""The published learner API of high-resolution pose estimation, composed of a learner of one pass and two looks."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import Result, check_height
from pose_estimation_ros.inference.two_pass.published import pooled
from pose_estimation_ros.inference.two_pass.resized import Resized
from pose_estimation_ros.inference.two_pass.second_pass import Enlarged
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.inference.two_pass.watching import Watch
from pose_estimation_ros.learners.evaluating import Evaluation, chosen_pictures
from pose_estimation_ros.learners.first_pass import FirstPass
from pose_estimation_ros.learners.given import remembers_given
from pose_estimation_ros.learners.learner import Exported, Learner
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.learners.pictures import Names
from pose_estimation_ros.learners.single_passes import SinglePasses
from pose_estimation_ros.learners.two_pass_runner import Passes, TwoPassRunner
from pose_estimation_ros.methods.high_resolution.published import HIGH_RESOLUTION_URL, fetch_test_image
from pose_estimation_ros.methods.lightweight_openpose.published import OPENDR_URL
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.tracking.tracker import Tracker

OF_ONE_PASS = frozenset(inspect.signature(LightweightOpenPoseLearner).parameters)


class HighResolutionPoseEstimationLearner(Learner):
    """People in large pictures: the whole picture at low cost, then closely where they are.

    Arguments up to `half_precision` are the published ones, and those that LightweightOpenPoseLearner has too mean the
    same. What is trained, saved and loaded is a model of Lightweight OpenPose; its files serve both learners. The
    stride is the network's own.

    Args:
        first_pass_height: Rows of the pass that finds where people are.
        second_pass_height: Of the pass that looks there: it shows people 0.37 times as tall as this. With published
            regions, the rows of the one crop.
        img_resol: Rows that `eval` scales pictures to, such as 1080 for the published tables; None leaves them.
        regions: people, as many regions as they need; or published, OpenDR's one box for everybody.
        newcomers_interval: In videos the first pass runs on every so many pictures, and whenever somebody was lost;
            people who are known are followed in all. 1 runs it on all.
        region_settings: Fields of inference.two_pass.finding.RegionSettings by name.
        first_pass: A learner of whole pictures that makes the first pass in place of this learner's model: of another
            method of the same skeleton, with weights, a backend and a precision of its own. It is not trained or saved.

    """

    method: ClassVar[Method] = LightweightOpenPoseLearner.method
    given: frozenset[str]

    @remembers_given
    def __init__(
        self,
        device: str = 'cuda',
        backbone: str = 'mobilenet',
        temp_path: str | Path = 'temp',
        mobilenet_use_stride: bool = True,
        mobilenetv2_width: float = 1.0,
        shufflenet_groups: int = 3,
        num_refinement_stages: int = 2,
        batches_per_iter: int = 1,
        base_height: int = 256,
        first_pass_height: int = 360,
        second_pass_height: int = 540,
        img_resol: int | None = None,
        experiment_name: str = 'default',
        num_workers: int = 8,
        weights_only: bool = True,
        output_name: str = 'detections.json',
        multiscale: bool = False,
        scales: Sequence[float] | None = None,
        visualize: bool = False,
        img_mean: Sequence[float] = (128, 128, 128),
        img_scale: float = 1 / 256,
        pad_value: Sequence[float] = (0, 0, 0),
        half_precision: bool = False,
        *,
        regions: Literal['people', 'published'] = 'people',
        newcomers_interval: int = 5,
        region_settings: dict[str, Any] | None = None,
        first_pass: Learner | None = None,
        lr: float = 4e-5,
        epochs: int = 280,
        batch_size: int = 80,
        lr_schedule: str | Callable[[Any], Any] = '',
        checkpoint_after_iter: int = 5000,
        checkpoint_load_iter: int = 0,
        val_after: int = 5000,
        log_after: int = 100,
        backend: str = 'auto',
        precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32',
        providers: Sequence[str] = (),
        threads: int = 0,
        channels_last: bool = False,
        decode: str = 'fast',
        variant: str = 'published',
        tracker: Tracker | None = None,
        decoding: dict[str, Any] | None = None,
        require_device: bool = False,
    ) -> None:
        arguments = dict(locals())
        if img_resol is not None:
            check_height(img_resol)
        self._plain = LightweightOpenPoseLearner(**{name: arguments[name] for name in self.given & OF_ONE_PASS})
        passes = Passes(first_pass_height, second_pass_height, regions, region_settings or {})
        watch, first = Watch(newcomers_interval), FirstPass.of(first_pass or self._plain)
        self._runner = TwoPassRunner(self._plain, first, passes, watch, decoding or {})
        self._img_resol = img_resol
        self.tracker = self._plain.tracker

    @property
    def temp_path(self) -> Path:
        return self._plain.temp_path

    @temp_path.setter
    def temp_path(self, folder: Path) -> None:
        self._plain.temp_path = folder

    @property
    def passes(self) -> Passes:
        """How this learner looks twice."""
        return self._runner.passes

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are normalised, in both passes."""
        return self._plain.preprocessing

    @property
    def base_height(self) -> int:
        """Rows that pictures are scaled to by `infer_light_odr`."""
        return self._plain.base_height

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError where there is none."""
        return self._plain.network

    def fit(self, dataset: Any, val_dataset: Any = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Train the network that both passes run; arguments and result are LightweightOpenPoseLearner.fit's."""
        try:
            return self._plain.fit(dataset, val_dataset, *args, **kwargs)
        finally:
            self.reset()

    def eval(
        self,
        dataset: Any,
        silent: bool = False,
        verbose: bool = True,
        use_subset: bool = True,
        subset_size: int = 250,
        images_folder_name: str = 'val2017',
        annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        upsample_ratio: int = 4,
        val_subset: bool | None = None,
    ) -> dict[str, Any]:
        """Return COCO's average precision and recall on a dataset; detections go to `temp_path/output_name`.

        Arguments and result are LightweightOpenPoseLearner.eval's; `upsample_ratio` is how much finer than the
        network's maps keypoints are placed. With `img_resol` pictures are scaled to so many rows first.
        """
        wanted = use_subset if val_subset is None else val_subset
        names = Names(images_folder_name, annotations_filename)
        pictures = chosen_pictures(dataset, names, subset_size if wanted else None, self.temp_path)
        whole = self.pipeline(upsample_ratio)
        pipeline = whole if self._img_resol is None else Resized(whole, self._img_resol)
        return Evaluation(self._plain.training, self.temp_path, silent, verbose).numbers(pipeline, pictures)

    def infer(
        self,
        img: ImageLike,
        upsample_ratio: int = 4,
        track: bool = True,
        smooth: bool = True,
        *,
        multiscale: bool | None = None,
        stamp: float | None = None,
    ) -> list[Pose]:
        """Return the people in a picture, [] when there are none; arguments that are not told here are Learner.infer's.

        With `track` pictures are of a video: ids last, it looks where people were. `multiscale` sees every region at
        the published four sizes; None is what the constructor was told.
        """
        pipeline, image = self._runner.pipeline(upsample_ratio, multiscale), to_bgr(img)
        if not track:
            return pipeline(image).poses
        poses = self._runner.next(pipeline, image, self.tracker.people).poses
        return self.tracker.update(poses, stamp, smooth, image)

    def infer_timed(self, img: ImageLike, upsample_ratio: int = 4) -> Result:
        """Return the people in one picture, untracked, with the milliseconds of each stage of both passes."""
        return self.pipeline(upsample_ratio)(to_bgr(img))

    def infer_next(self, img: ImageLike, upsample_ratio: int = 4, *, stamp: float | None = None) -> Result:
        """Return the same for the next picture of a video, looking where `tracker` has seen people."""
        return self._runner.next(self.pipeline(upsample_ratio), to_bgr(img), self.tracker.people)

    def infer_batch(self, images: Sequence[ImageLike], upsample_ratio: int = 4) -> list[Result]:
        """Return the people in several unrelated pictures; their regions share a forward pass."""
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images])

    def infer_light_odr(
        self,
        img: ImageLike,
        upsample_ratio: int = 4,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
    ) -> list[Pose]:
        """Return the people that Lightweight OpenPose sees in the picture scaled to `base_height`, in one pass."""
        return self._plain.infer(img, upsample_ratio, track, smooth, stamp=stamp)

    def first_pass(self, net: Any, img: ImageLike) -> FloatArray:
        """Return a map (h, w) of where people are in a picture, seen at `first_pass_height`.

        That is the highest of the keypoints' heatmaps or, with published regions, the sum of the fields' parts that
        are above the published threshold. `net` is a torch module, a backend, or None for this learner's model.
        """
        return SinglePasses(self._plain, self.passes).first(net, to_bgr(img))

    def second_pass_infer(
        self,
        net: Any,
        img: ImageLike,
        net_input_height_size: int,
        max_width: int,
        stride: int | None = None,
        upsample_ratio: int = 4,
        device: str | None = None,
        pad_value: Sequence[float] = (0, 0, 0),
        img_mean: Sequence[float] = (128, 128, 128),
        img_scale: float = 1 / 256,
    ) -> Enlarged:
        """Return what the network sees in a crop: heatmaps, fields, scale and padding, from which poses are decoded.

        `net` is a torch module, which runs on `device` (None for this learner's), a backend, or None for this learner's
        model. The crop is scaled to `net_input_height_size` rows or, where it is more than six times as wide as high,
        to `max_width` columns. `stride` is the network's own; another is refused. The rest is told at the constructor.
        """
        input_settings = {'img_mean': img_mean, 'img_scale': img_scale, 'pad_value': pad_value}
        return SinglePasses(self._plain, self.passes).second(
            net, to_bgr(img), net_input_height_size, max_width, upsample_ratio, input_settings, stride, device
        )

    def Pooling(self, img: ImageLike, kernel: int) -> FloatArray:  # noqa: N802
        """Return means of blocks of kernel x kernel pixels, (1, 3, H // kernel, W // kernel) BGR from 0 to 1."""
        return pooled(to_bgr(img), kernel)

    def pipeline(self, upsample_ratio: int = 4) -> TwoPass:
        """Return what turns pictures into poses, at the constructor's scales; the first call opens the backend."""
        return self._runner.pipeline(upsample_ratio)

    def tune(
        self,
        base_height: int | None = None,
        *,
        first_pass_height: int | None = None,
        second_pass_height: int | None = None,
        **decoding: Any,
    ) -> None:
        """Change while running what needs no new model: the heights, and settings of the decoder by name."""
        self._runner.tune(base_height, first_pass_height, second_pass_height, **decoding)

    def reset(self) -> None:
        self.tracker.reset()
        self._runner.watch.reset()

    def init_model(self) -> None:
        """Build the network of this learner's options with random weights, for training."""
        self._plain.init_model()
        self.reset()

    def count_parameters(self) -> int:
        """Return the number of trainable values of the network."""
        return self._plain.count_parameters()

    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model of Lightweight OpenPose: a folder or file of any published form, or the one that comes along."""
        self._plain.load(path, verbose, trust=trust)
        self.reset()

    def save(self, path: str | Path, verbose: bool = False) -> None:
        self._plain.save(path, verbose)

    def optimize(
        self, do_constant_folding: bool = False, *, precision: Exported = 'fp32', calibration: Iterable[ImageLike] = ()
    ) -> None:
        self._plain.optimize(do_constant_folding, precision=precision, calibration=calibration)

    def optimized_content(self) -> bytes:
        return self._plain.optimized_content()

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = OPENDR_URL
    ) -> list[Path]:
        """Fetch published files and return where they are.

        Models and weights are Lightweight OpenPose's. With 'test_data' comes a picture of `img_resol` rows, 1080 or
        1440; it lies in another folder of the same server, which is taken unless another url is given.
        """
        if mode == 'test_data':
            folder = Path(path) if path is not None else self.temp_path
            url = HIGH_RESOLUTION_URL if url == OPENDR_URL else url
            return fetch_test_image(self._img_resol or 1080, folder, url, verbose)
        return self._plain.download(path, mode, verbose, url)
