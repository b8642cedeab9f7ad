"""The published learner API of high-resolution pose estimation: two passes over a network of Lightweight OpenPose."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.evaluation.scored_images import BoxSource
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import PeoplePipeline, Pipeline, Result, check_size
from pose_estimation_ros.inference.two_pass.published import (
    EnclosingRegionFinder,
    Enlarged,
    ResizedInput,
    enlarged_maps,
)
from pose_estimation_ros.inference.two_pass.two_pass import FirstPassSchedule, TwoPass
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.lightweight_openpose import UPSAMPLE_RATIO, NetworkLearner, ratio_of
from pose_estimation_ros.learners.settings import MULTISCALE, normalisation, records_explicit
from pose_estimation_ros.learners.two_pass import Passes, check_first_pass, first_pipeline, people_map
from pose_estimation_ros.methods.high_resolution.options import PERSON_SHARE, TwoPassSettings
from pose_estimation_ros.methods.high_resolution.published import HIGH_RESOLUTION_URL, fetch_test_image
from pose_estimation_ros.methods.high_resolution.published_region import PublishedRegion, pooled
from pose_estimation_ros.methods.lightweight_openpose.published import OPENDR_URL
from pose_estimation_ros.tracking.tracker import Tracker


def passes_of(settings: TwoPassSettings, region_settings: Mapping[str, Any]) -> Passes:
    """Return both passes; raises SettingsError for wrong `region_settings`."""
    first, second = settings.first_pass_height, settings.second_pass_height
    return Passes(first, second, settings.regions, PERSON_SHARE * second, region_settings)


def published_region(passes: Passes) -> PublishedRegion | None:
    """Return the published rule for one region, None where people have regions of their own."""
    if passes.regions != 'published':
        return None
    heights = {'first_pass_height': passes.first_pass_height, 'second_pass_height': passes.second_pass_height}
    for name in heights.keys() & passes.region_settings.keys():
        raise SettingsError(f'{name} is an argument of the learner, not one of region_settings')
    return settings_from(PublishedRegion, {**passes.region_settings, **heights}, 'settings of published regions')


class HighResolutionPoseEstimationLearner(NetworkLearner):
    """People in large images: a first pass over the whole image at low cost, then a second over each region of people.

    Arguments up to `half_precision` are the published ones; those that are not documented here are
    LightweightOpenPoseLearner's. What is trained, saved and loaded is a model of Lightweight OpenPose; its files serve
    both learners. The stride is the network's own.

    Args:
        first_pass_height: Input height of the first pass, which finds where people are.
        second_pass_height: Of the second pass, in which people are 0.37 times as tall (PERSON_SHARE). With published
            regions, the height of the one crop.
        img_resol: Height that `eval` scales images to, such as 1080 for the published tables; None leaves them.
        regions: people, as many regions as they need; or published, OpenDR's one box for everybody.
        newcomers_interval: In videos the first pass runs on every Nth image, and whenever a person was lost; known
            people are followed in all images. 1 runs it on all.
        region_settings: Fields of inference.two_pass.first_pass.RegionSettings by name.
        first_pass: A learner of whole images that makes the first pass in place of this learner's model: of any system
            with the same skeleton, with its own weights, backend and precision. It is not trained or saved.

    """

    @records_explicit
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
        first_pass_height: int = TwoPassSettings.first_pass_height,
        second_pass_height: int = TwoPassSettings.second_pass_height,
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
        regions: Literal['people', 'published'] = TwoPassSettings.regions,
        newcomers_interval: int = TwoPassSettings.newcomers_interval,
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
        super().__init__(dict(locals()))
        if img_resol is not None:
            check_size(img_resol)
        if first_pass is not None:
            check_first_pass(first_pass, self.method.skeleton)
        self.passes = passes_of(TwoPassSettings(first_pass_height, second_pass_height, regions), region_settings or {})
        published_region(self.passes)  # wrong values are refused now, not at the first image
        self._first, self._watch, self._img_resol = first_pass, FirstPassSchedule(newcomers_interval), img_resol

    def pipeline(self, upsample_ratio: int | None = None) -> TwoPass:
        return self._both_passes(upsample_ratio, self.training.scales)

    def scoring_pipeline(self, upsample_ratio: int | None = None) -> TwoPass:
        return self.pipeline(upsample_ratio)

    def _both_passes(self, upsample_ratio: int | None, scales: tuple[float, ...]) -> TwoPass:
        second = self._runner.pipeline(upsample_ratio=upsample_ratio)
        first = second if self._first is None else first_pipeline(self._first, upsample_ratio)
        max_persons = self._runner.settings.get('max_persons', 0)
        return self.passes.over(second, first, scales, published_region(self.passes), max_persons)

    def _scored_pipeline(self, upsample_ratio: int | None, boxes: BoxSource) -> PeoplePipeline:
        """Return what `eval` scores. With `img_resol` images are scaled to that height first."""
        pipeline = self.pipeline(upsample_ratio)
        return pipeline if self._img_resol is None else ResizedInput(pipeline, self._img_resol)

    def infer(
        self,
        img: ImageLike,
        upsample_ratio: int | None = UPSAMPLE_RATIO,
        track: bool = True,
        smooth: bool = True,
        *,
        multiscale: bool | None = None,
        stamp: float | None = None,
        boxes: Boxes | None = None,
    ) -> list[Pose]:
        """Return the people in an image, [] when there are none; other arguments are Learner.infer's.

        With `track` images are a video: ids last, and it looks where people were. `multiscale` sees every region at
        the four published sizes; None is the constructor's setting.
        """
        if multiscale is None:
            return super().infer(img, upsample_ratio, track, smooth, stamp=stamp, boxes=boxes)
        self._refuse_boxes(boxes)
        pipeline, image = self._both_passes(ratio_of(upsample_ratio), MULTISCALE if multiscale else (1.0,)), to_bgr(img)
        if not track:
            return pipeline(image).poses
        poses = self._next(pipeline, image).poses
        return self.tracker.update(poses, stamp, smooth, image)

    def infer_next(
        self,
        img: ImageLike,
        upsample_ratio: int | None = None,
        boxes: Boxes | None = None,
        *,
        stamp: float | None = None,
    ) -> Result:
        """Return the people in the next image of a video, searching around those in `tracker`."""
        self._refuse_boxes(boxes)
        return self._next(self.pipeline(upsample_ratio), to_bgr(img))

    def _next(self, pipeline: TwoPass, image: ByteArray) -> Result:
        if self.passes.regions == 'published':  # which has one box only, and finds it anew in every image
            return pipeline(image)
        return self._watch(pipeline, image, self.tracker.people)

    def infer_light_odr(
        self,
        img: ImageLike,
        upsample_ratio: int | None = UPSAMPLE_RATIO,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
    ) -> list[Pose]:
        """Return the people that Lightweight OpenPose finds in the image scaled to `base_height`, in one pass."""
        image = to_bgr(img)
        poses = self._runner.pipeline(upsample_ratio=ratio_of(upsample_ratio))(image).poses
        return self.tracker.update(poses, stamp, smooth, image) if track else poses

    def first_pass(self, net: Any, img: ImageLike) -> FloatArray:
        """Return a map (h, w) of where people are in an image, seen at `first_pass_height`.

        That is the highest of the keypoints' heatmaps or, with published regions, the sum of the fields' parts that
        are above the published threshold. `net` is a torch module, a backend, or None for this learner's model.
        """
        pipeline, image, rule = self._over(net), to_bgr(img), published_region(self.passes)
        if rule is None:
            return people_map(pipeline, self.passes.first_pass_height, image)
        fields, _, _ = EnclosingRegionFinder(pipeline.backend, rule).fields(image)
        strength: FloatArray = np.where(fields < rule.threshold, 0, fields).sum(axis=0)
        return strength

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
        """Return the network's output for a crop: heatmaps, fields, scale and padding, from which poses are decoded.

        `net` is a torch module, which runs on `device` (None for this learner's), a backend, or None for this learner's
        model. The crop is scaled to a height of `net_input_height_size` or, where it is more than six times as wide as
        high, to a width of `max_width`. `stride` is the network's own; another is refused. The constructor documents
        the other arguments.
        """
        pipeline = self._over(net, device)
        if stride not in (None, pipeline.stride):
            raise SettingsError(f'stride is {pipeline.stride} for this network, got {stride}; leave it out')
        changes = {'img_mean': img_mean, 'img_scale': img_scale, 'pad_value': pad_value}
        pipeline.preprocessing = normalisation(pipeline.preprocessing, changes)
        return enlarged_maps(pipeline, to_bgr(img), net_input_height_size, max_width, upsample_ratio)

    def _over(self, net: Any, device: str | None = None) -> Pipeline:
        """Return a pipeline of one pass over `net`, a copy that may be changed."""
        if net is None:
            return self._runner.pipeline()
        method, settings = self.method, self.backend_settings
        if hasattr(net, 'state_dict'):
            where = BackendSettings('torch', device or settings.device, may_fall_back=settings.may_fall_back)
            net = open_backend(Model(method.output_channels, network=net, label='net'), where)
        return Pipeline(net, method, None, self.preprocessing, self.base_height)

    def Pooling(self, img: ImageLike, kernel: int) -> FloatArray:  # noqa: N802
        """Return means of blocks of kernel x kernel pixels, (1, 3, H // kernel, W // kernel) BGR from 0 to 1."""
        return pooled(to_bgr(img), kernel)

    def tune(
        self,
        base_height: int | None = None,
        *,
        first_pass_height: int | None = None,
        second_pass_height: int | None = None,
        **settings: Any,
    ) -> None:
        """Change while running what needs no new model: the heights, and settings of the decoder by name."""
        now = self.passes
        first = now.first_pass_height if first_pass_height is None else first_pass_height
        second = now.second_pass_height if second_pass_height is None else second_pass_height
        passes = passes_of(TwoPassSettings(first, second, now.regions), now.region_settings)
        super().tune(base_height, **settings)
        self.passes = passes

    def reset(self) -> None:
        """Forget the people of earlier images: ids start at 0 again, and the next image gets a first pass."""
        super().reset()
        self._watch.reset()

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = OPENDR_URL
    ) -> list[Path]:
        """Download published files and return their paths.

        Models and weights are Lightweight OpenPose's. With 'test_data' comes an image of `img_resol` rows, 1080 or
        1440; it lies in another folder of the same server, which is taken unless another url is given.
        """
        if mode == 'test_data':
            folder = Path(path) if path is not None else self.temp_path
            url = HIGH_RESOLUTION_URL if url == OPENDR_URL else url
            return fetch_test_image(self._img_resol or 1080, folder, url, verbose)
        return super().download(path, mode, verbose, url)
