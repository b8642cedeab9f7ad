"""The published learner API of Lightweight OpenPose, composed of a method, a pipeline and a tracker."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.errors import BackendError, SettingsError, WeightsError
from pose_estimation_ros.core.image import to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.backend import BackendSettings, Model, open_backend, pick_outputs
from pose_estimation_ros.inference.export import read_facts
from pose_estimation_ros.inference.pipeline import Pipeline, Result, check_height
from pose_estimation_ros.learners import published_files
from pose_estimation_ros.learners.given import remembers_given
from pose_estimation_ros.learners.learner import Learner, Picture
from pose_estimation_ros.learners.model_content import checkpoint, read_graph, stated_preprocessing, three_numbers
from pose_estimation_ros.learners.model_folder import ModelFile, find_model, write_model
from pose_estimation_ros.learners.optimized import OptimizedModel, optimized_model
from pose_estimation_ros.learners.settings import MULTISCALE, TrainingSettings
from pose_estimation_ros.methods.lightweight_openpose.containers import xml_preprocessing
from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions
from pose_estimation_ros.methods.method import Decoder, Method, Preprocessing
from pose_estimation_ros.methods.systems import METHODS
from pose_estimation_ros.tracking.tracker import Tracker

LOG = logging.getLogger(__name__)

OPTION_OF_ARGUMENT = {
    'backbone': 'backbone',
    'mobilenet_use_stride': 'use_stride',
    'mobilenetv2_width': 'mobilenetv2_width',
    'shufflenet_groups': 'shufflenet_groups',
    'num_refinement_stages': 'num_refinement_stages',
    'variant': 'variant',
}

INPUT_OF_ARGUMENT = {'img_mean': 'mean', 'img_scale': 'scale', 'pad_value': 'pad_value'}


class LightweightOpenPoseLearner(Learner):
    """Real-time multi-person 2D poses (Osokin 2018), with OpenDR's constructor and methods.

    Arguments up to `half_precision` are the published ones. What a weights file says of its network (stages, width,
    groups, stride, ...) counts where the caller did not name the argument. `device='cuda'` on a machine without a
    CUDA device warns and runs on the CPU.

    Args:
        backend: auto, torch, onnxruntime or openvino.
        precision: fp32, fp16 or bf16; `half_precision` means fp16.
        providers: ONNX Runtime's execution providers by name, in order.
        threads: CPU threads, 0 for the backend's own choice.
        channels_last: Memory layout of the torch backend.
        decode: fast, reference (the published demo) or evaluation (the published COCO evaluation).
        variant: published, or omz for the network behind OpenVINO's human-pose-estimation-0001.
        tracker: Who owns ids and smoothing; None for the default.
        decoding: Settings of the decoder: keypoint_threshold, max_persons, min_keypoints, min_mean_score, ...
        require_device: Refuse to run on the CPU where a CUDA device is asked for and not there.

    """

    method: ClassVar[Method] = METHODS['lightweight_openpose']
    given: frozenset[str]

    @remembers_given
    def __init__(
        self,
        lr: float = 4e-5,
        epochs: int = 280,
        batch_size: int = 80,
        device: str = 'cuda',
        backbone: str = 'mobilenet',
        lr_schedule: str | Callable[[Any], Any] = '',
        temp_path: str | Path = 'temp',
        checkpoint_after_iter: int = 5000,
        checkpoint_load_iter: int = 0,
        val_after: int = 5000,
        log_after: int = 100,
        mobilenet_use_stride: bool = True,
        mobilenetv2_width: float = 1.0,
        shufflenet_groups: int = 3,
        num_refinement_stages: int = 2,
        batches_per_iter: int = 1,
        experiment_name: str = 'default',
        num_workers: int = 8,
        weights_only: bool = True,
        output_name: str = 'detections.json',
        multiscale: bool = False,
        scales: Sequence[float] | None = None,
        visualize: bool = False,
        base_height: int = 256,
        img_mean: Sequence[float] = (128, 128, 128),
        img_scale: float = 1 / 256,
        pad_value: Sequence[float] = (0, 0, 0),
        half_precision: bool = False,
        *,
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
        self.temp_path = Path(temp_path)
        self.training = TrainingSettings(
            lr=lr,
            epochs=epochs,
            batch_size=batch_size,
            lr_schedule=lr_schedule,
            checkpoint_after_iter=checkpoint_after_iter,
            checkpoint_load_iter=checkpoint_load_iter,
            val_after=val_after,
            log_after=log_after,
            batches_per_iter=batches_per_iter,
            experiment_name=experiment_name,
            num_workers=num_workers,
            weights_only=weights_only,
            output_name=output_name,
            scales=MULTISCALE if multiscale else tuple(scales or (1.0,)),
            visualize=visualize,
        )
        self._own_options = NetworkOptions(
            backbone=backbone,
            use_stride=mobilenet_use_stride and backbone == 'mobilenet',
            mobilenetv2_width=mobilenetv2_width,
            shufflenet_groups=shufflenet_groups,
            num_refinement_stages=num_refinement_stages,
            variant=variant,
        )
        self.backend_settings = BackendSettings(
            backend=backend,
            device=device,
            precision='fp16' if half_precision else precision,
            providers=tuple(providers),
            threads=threads,
            channels_last=channels_last,
            half_on_gpu_only=half_precision,
            may_fall_back=not require_device,
        )
        check_height(base_height)
        self._own_base_height = base_height
        self._own_preprocessing = replace(
            self.method.preprocessing,
            mean=three_numbers('img_mean', img_mean),
            scale=three_numbers('img_scale', img_scale),
            pad_value=three_numbers('pad_value', pad_value),
        )
        self.options: NetworkOptions | None
        """The network's, None where a model file says nothing of them."""
        self.options, self.base_height, self.preprocessing = self._own()
        self.tracker = tracker or Tracker()
        self._decode, self._decoding = decode, dict(decoding or {})
        if 'upsample_ratio' in self._decoding:
            raise SettingsError('upsample_ratio is an argument of infer, not a setting of decoding')
        self._make_decoder(4)  # wrong settings are told now, not at the first picture
        self._network: Any = None
        self._file: Model | None = None
        self._file_is_optimized = False
        self._optimized: OptimizedModel | None = None
        self._pipeline: Pipeline | None = None

    def infer(
        self,
        img: Picture,
        upsample_ratio: int = 4,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
    ) -> list[Pose]:
        """Return the people in a picture, [] when there are none.

        Args:
            img: An Image, an (H, W, 3) BGR array or the path of a picture.
            upsample_ratio: How much finer than the network's maps keypoints are placed.
            track: Give ids that last from picture to picture; `reset()` forgets them.
            smooth: Smooth keypoints over time; only with `track`.
            stamp: When the picture was taken, in seconds; None takes this machine's clock.

        """
        poses = self.infer_timed(img, upsample_ratio).poses
        return self.tracker.update(poses, stamp, smooth) if track else poses

    def infer_timed(self, img: Picture, upsample_ratio: int = 4) -> Result:
        """Return the people in one picture, untracked, with the milliseconds of each stage."""
        return self.pipeline(upsample_ratio)(to_bgr(img))

    def infer_batch(self, images: Sequence[Picture], upsample_ratio: int = 4) -> list[Result]:
        """Return the people in several unrelated pictures; those of equal size share a forward pass."""
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images])

    def pipeline(self, upsample_ratio: int = 4) -> Pipeline:
        """Return what turns pictures into poses, opening the backend on the first call."""
        if self._pipeline is None:
            settings = self.backend_settings
            if self._optimized is not None and settings.backend == 'torch':
                settings = replace(settings, backend='auto')  # torch runs no ONNX
            backend = open_backend(self._model(), settings)
            LOG.info('runs on %s, %s, %s', backend.name, backend.device, backend.precision)
            decoder = self._make_decoder(upsample_ratio)
            self._pipeline = Pipeline(backend, decoder, self.preprocessing, self.base_height)
        return self._pipeline.with_decoder(self._make_decoder(upsample_ratio))

    def tune(self, base_height: int | None = None, **decoding: Any) -> None:
        """Change while running what needs no new model: the height, and settings of the decoder by name."""
        self._make_decoder(4, decoding)  # both raise before anything has changed
        check_height(self.base_height if base_height is None else base_height)
        self._decoding = {**self._decoding, **decoding}
        if base_height is not None:
            self.base_height = base_height
            if self._pipeline is not None:
                self._pipeline = self._pipeline.with_height(base_height)

    def reset(self) -> None:
        """Forget the people of earlier pictures: ids start at 0 again, smoothing afresh."""
        self.tracker.reset()

    def init_model(self) -> None:
        """Build the network of this learner's options with random weights, for training."""
        from pose_estimation_ros.methods.lightweight_openpose.network import build_network

        self.options, self.base_height, self.preprocessing = self._own()
        self._use(network=build_network(self.options))

    def count_parameters(self) -> int:
        """Return the number of trainable values of the network."""
        return sum(each.numel() for each in self.network.parameters() if each.requires_grad)

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError where there is none."""
        if self._network is None:
            raise WeightsError('there is no torch network: load a .pth file or call init_model() first')
        return self._network

    def load(self, path: str | Path, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model: a saved folder, a published checkpoint, ONNX or OpenVINO file.

        Args:
            path: The folder or file.
            verbose: Print what was loaded.
            trust: Let a .pth file that needs it build any Python object. It can run any code: own files only.

        Raises:
            WeightsError: It cannot be read or does not fit.

        """
        file = find_model(Path(path))
        try:
            text = self._load_checkpoint(file, trust) if file.kind == 'pth' else self._load_graph(file)
        except BackendError as error:
            raise WeightsError(f'{file.path} cannot be used: {str(error).removeprefix(f"{file.path} ")}') from error
        LOG.info(text)
        if verbose:
            print(text)

    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model and its description to the folder `path`, as path's last part .pth, .onnx or .xml."""
        metadata = self._metadata()
        if self._optimized is not None:
            contents = {'.onnx': self._optimized.content}
        elif self._network is not None:
            contents = {'.pth': checkpoint(self._network)}
        elif self._file is not None and self._file.xml is not None:
            contents = {suffix: read_graph(self._file.xml.with_suffix(suffix)) for suffix in ('.xml', '.bin')}
        else:
            contents = {'.onnx': self._source().onnx or b''}
        written = write_model(
            Path(path), contents, self._own_options.backbone, metadata, optimized=self._is_optimized()
        )
        if verbose:
            print(f'saved {written}')

    def optimize(
        self,
        do_constant_folding: bool = False,
        *,
        precision: Literal['fp32', 'fp16', 'int8'] = 'fp32',
        calibration: Iterable[Picture] = (),
    ) -> None:
        """Turn the model into ONNX of any batch, height and width; `infer` and `save` then use that.

        Args:
            do_constant_folding: Calculate at export what depends on constants alone.
            precision: fp32, fp16 (GPUs) or int8 (CPUs; static quantisation).
            calibration: For int8, some dozens of typical pictures.

        Raises:
            BackendError: A package is missing, or the model has no form that can be exported.

        """
        pictures = [to_bgr(each) for each in calibration]
        inputs = (self.pipeline().prepare(each) for each in pictures)
        self._optimized = optimized_model(
            self._source(),
            self.temp_path,
            self._metadata(),
            precision,
            inputs if pictures else None,
            do_constant_folding,
        )
        self._pipeline = None

    def optimized_content(self) -> bytes:
        """Return the ONNX model that `optimize` made; raises BackendError where it has not run."""
        if self._optimized is None:
            raise BackendError('there is no optimised model: call optimize() first')
        return self._optimized.content

    def download(
        self,
        path: str | Path | None = None,
        mode: str = 'pretrained',
        verbose: bool = False,
        url: str = published_files.OPENDR_URL,
    ) -> list[Path]:
        """Fetch published files and return where they are.

        Args:
            path: Folder to write to; None is the learner's temp_path.
            mode: 'pretrained' (a model), 'weights' (the backbone's, for training) or 'test_data' (an annotated image).
            verbose: Show progress and say where files went.
            url: Server and folder to fetch from.

        """
        folder = Path(path) if path is not None else self.temp_path
        return published_files.fetch_published(mode, self._own_options.backbone, folder, url, verbose)

    def _own(self) -> tuple[NetworkOptions, int, Preprocessing]:
        """Return what the constructor was told, which holds where a file says nothing."""
        return self._own_options, self._own_base_height, self._own_preprocessing

    def _make_decoder(self, upsample_ratio: int, changes: Mapping[str, Any] | None = None) -> Decoder:
        settings = {'upsample_ratio': upsample_ratio, **self._decoding, **(changes or {})}
        return self.method.decoder(self._decode, **settings)

    def _use(self, network: Any = None, file: Model | None = None, file_is_optimized: bool = False) -> None:
        """Take over a new model and forget what came of the old one."""
        self._network, self._file, self._file_is_optimized = network, file, file_is_optimized
        self._optimized = self._pipeline = None
        self.reset()

    def _is_optimized(self) -> bool:
        return self._optimized is not None or self._file_is_optimized

    def _model(self) -> Model:
        """Return what inference runs."""
        if self._optimized is not None:
            return Model(self.method.output_channels, onnx=self._optimized.content, label='the optimized model')
        return self._source()

    def _source(self) -> Model:
        """Return the model as it was loaded or built."""
        if self._file is not None:
            return self._file
        if self._network is not None:
            return Model(self.method.output_channels, network=self._network, label='the network')
        raise WeightsError('no weights are loaded: call load(path) first (download() fetches published ones)')

    def _load_checkpoint(self, file: ModelFile, trust: bool) -> str:
        from pose_estimation_ros.methods.lightweight_openpose.network import build_network
        from pose_estimation_ros.methods.lightweight_openpose.weights import fit_weights, infer_options, read_weights

        state_dict = read_weights(file.path, trust)
        stated = self._stated_options(file)
        seen = infer_options(state_dict, stated or self._own_options, str(file.path))
        if stated is None and seen.backbone == 'mobilenet' and 'mobilenet_use_stride' not in self.given:
            LOG.warning('%s does not say its stride; taken as %d (mobilenet_use_stride)', file.path, seen.stride)
        options = self._with_given(seen)
        network = build_network(options)
        report = fit_weights(network, state_dict, str(file.path))
        self._adopt(file, options)
        self._use(network=network)
        return report.text

    def _load_graph(self, file: ModelFile) -> str:
        """Take an ONNX or OpenVINO file as it is."""
        channels, label = self.method.output_channels, str(file.path)
        expected = None
        if file.kind == 'xml':
            expected = xml_preprocessing(file.path)
            model = Model(channels, xml=file.path, label=label)
            open_backend(model, BackendSettings('openvino', 'cpu'))  # a model for something else is told now
        else:
            content = read_graph(file.path)
            facts = read_facts(content)
            pick_outputs(facts.channels, channels, label)
            file = replace(file, metadata={**facts.metadata, **file.metadata})
            model = Model(channels, onnx=content, label=label)
        stated = self._stated_options(file)
        if stated is not None and self._with_given(stated) != stated:
            LOG.warning('%s is exported already, its network cannot be changed; load the .pth for that', file.path)
        self._adopt(file, stated, expected)
        self._use(file=model, file_is_optimized=file.optimized)
        return f'loaded {file.path}'

    def _stated_options(self, file: ModelFile) -> NetworkOptions | None:
        """Return the options that a file's metadata state, None where they state none."""
        stated = file.metadata.get('network')
        return NetworkOptions.from_dict(stated) if isinstance(stated, dict) else None

    def _with_given(self, seen: NetworkOptions) -> NetworkOptions:
        """Return a file's options, but for those that the caller asked for by name."""
        own = self._own_options
        asked = {name: getattr(own, name) for argument, name in OPTION_OF_ARGUMENT.items() if argument in self.given}
        changed = {name: value for name, value in asked.items() if value != getattr(seen, name)}
        for name, value in changed.items():
            LOG.warning('%s is %s as asked for; the weights say %s', name, value, getattr(seen, name))
        return replace(seen, **changed)

    def _adopt(self, file: ModelFile, options: NetworkOptions | None, expected: Preprocessing | None = None) -> None:
        """Take from a file what it says about itself, except where the caller asked for something else by name."""
        _, self.base_height, own = self._own()
        self.options = options
        if 'base_height' not in self.given and isinstance(file.metadata.get('base_height'), int):
            self.base_height = file.metadata['base_height']
        stated = expected or stated_preprocessing(file) or own
        asked = {name: getattr(own, name) for argument, name in INPUT_OF_ARGUMENT.items() if argument in self.given}
        self.preprocessing = replace(stated, **asked)
        if self.preprocessing != stated:
            LOG.warning('%s is fed with %s as asked for; it says %s', file.path, self.preprocessing, stated)

    def _metadata(self) -> dict[str, Any]:
        """Return what our own files say of themselves."""
        return {
            'method': self.method.name,
            'network': self.options.to_dict() if self.options else None,
            'base_height': self.base_height,
            'preprocessing': asdict(self.preprocessing),
        }
