"""Lightweight OpenPose as one object: what its targets, loss, decoders and pipelines need to know of it."""

from dataclasses import fields
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.methods.lightweight_openpose.decoding import DECODERS, DecodingSettings
from pose_estimation_ros.methods.lightweight_openpose.grouping import GroupingSettings
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_HEATMAPS, NUM_PAFS
from pose_estimation_ros.methods.method import Decoder, Preprocessing


class LightweightOpenPose:
    """Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight OpenPose (arXiv 1811.12004)."""

    name: str = 'lightweight_openpose'
    skeleton: Skeleton = OPENPOSE_18
    preprocessing: Preprocessing = Preprocessing()
    output_channels: tuple[int, ...] = (NUM_HEATMAPS, NUM_PAFS)

    def decoder_names(self) -> tuple[str, ...]:
        """Return the decoders' names, the default first."""
        return tuple(DECODERS)

    def decoder(self, name: str = 'fast', **settings: Any) -> Decoder:
        """Return a decoder; settings are the fields of DecodingSettings and GroupingSettings."""
        if name not in DECODERS:
            raise SettingsError(f'decode must be one of {", ".join(DECODERS)}, got {name!r}')
        grouping_names = {each.name for each in fields(GroupingSettings)}
        known = (grouping_names | {each.name for each in fields(DecodingSettings)}) - {'grouping'}
        if settings.keys() - known:
            unknown = ', '.join(sorted(settings.keys() - known))
            raise SettingsError(f'decoding has no setting {unknown}; it has {", ".join(sorted(known))}')
        grouping = {key: settings.pop(key) for key in grouping_names & settings.keys()}
        decoder: Decoder = DECODERS[name](DecodingSettings(**settings, grouping=GroupingSettings(**grouping)))
        return decoder
