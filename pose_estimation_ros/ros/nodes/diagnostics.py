"""Diagnostics that give the reason for missing output."""

import math
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.ros.nodes.dropping import LOST, DropReason
from pose_estimation_ros.ros.nodes.statistics import Snapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

DROPS = tuple(reason.value for reason in LOST)
BUSY = ('convert_ms', 'total_ms', 'track_ms', 'publish_ms')
"""Stages of a frame during which no other can be processed."""
SILENCE_S = 5.0
"""What counts as silence where `stall_timeout` is off."""


@dataclass(frozen=True)
class NodeView:
    """What the node knows about itself and its context at one moment."""

    state: str
    method: str
    device: str
    backend: str
    converter: str
    topic: str
    publishers: int
    incompatible_qos: str = ''
    """QoS policy incompatible between a publisher and the node, if any."""
    other_types: str = ''
    """Other message types published on the topic."""
    has_subscribers: bool = True
    unmatched: str = ''
    """Outputs with subscribers of incompatible QoS or type."""
    lazy: bool = True
    failure: str = ''
    """Current failure, such as an unsupported encoding."""
    depth_fault: str = ''
    """Why there are no 3D keypoints although depth is enabled."""
    stall_timeout: float = 5.0
    boxes_fault: str = ''
    """Why images have no boxes although another node should publish them."""
    max_rate: float = 0.0
    """Maximum processing rate in Hz that the user has set, 0 for none."""


def explain(view: NodeView, seen: Snapshot) -> tuple[bytes, str]:
    """Return a level and one sentence on why poses are published or not."""
    if view.state != 'active':
        return (ERROR, view.failure) if view.failure else (OK, f'{view.state}: not processing images')
    if view.publishers == 0:
        return WARN, f'no publisher on {view.topic}'
    stalled = seen.silent_for > (view.stall_timeout or SILENCE_S)
    if stalled or not seen.counts.get('received'):
        return _explain_silence(view, seen, stalled)
    if view.failure:
        return ERROR, view.failure
    if view.lazy and not view.has_subscribers and view.unmatched:
        offered = 'reliable or best effort, volatile, without deadline'
        return WARN, f'paused: incompatible QoS or type of the subscribers of {view.unmatched}; offered is {offered}'
    if view.lazy and not view.has_subscribers:
        return OK, 'no subscribers, paused'
    if not seen.published:
        lost = ', '.join(f'{count} {reason}' for reason, count in sorted(seen.lost.items()))
        return WARN, f'frames arrive, none is published{lost and f"; dropped lately: {lost}"}'
    if view.boxes_fault:
        return WARN, f'frames arrive without boxes of people: {view.boxes_fault}'
    people = counted(seen.people, 'person', 'people')
    if seen.people and view.depth_fault:
        return WARN, f'{people} seen, none in 3D: {view.depth_fault}'
    text = f'{people} seen' if seen.people else 'frames arrive, no people detected'
    slow = slower_than_camera(seen, view.max_rate)
    return (WARN, f'{text}; {slow}') if slow else (OK, text)


def slower_than_camera(seen: Snapshot, max_rate: float = 0.0) -> str:
    """Return a sentence if frames take longer than the time between the images that are to be processed, else ''."""
    spent = sum(value for name in BUSY if math.isfinite(value := seen.stages_ms.get(name, math.nan)))
    rate = min(seen.input_hz, max_rate or math.inf)
    if rate <= 0 or spent * rate <= 1e3 or not seen.lost.get(DropReason.BUSY.value):
        return ''
    return (
        f'a frame takes {spent:.0f} ms, an image comes every {1e3 / rate:.0f} ms: frames between are dropped; a smaller'
        ' input, another backend or a GPU is faster'
    )


def _explain_silence(view: NodeView, seen: Snapshot, stalled: bool) -> tuple[bytes, str]:
    """Return why no image comes from the publishers that there are."""
    if view.incompatible_qos:
        return ERROR, f'incompatible QoS with a publisher on {view.topic}: {view.incompatible_qos}'
    if view.other_types:
        return ERROR, f'{view.topic} carries {view.other_types}, which this node does not subscribe to'
    text = (
        f'no image on {view.topic} for {seen.silent_for:.0f} s, though it has {counted(view.publishers, "publisher")}'
    )
    return (WARN if stalled else OK), text


def diagnostic_array(name: str, view: NodeView, seen: Snapshot, stamp: object) -> DiagnosticArray:
    """Return the message for /diagnostics."""
    level, message = explain(view, seen)
    values = {
        'state': view.state,
        'method': view.method,
        'device': view.device,
        'backend': view.backend,
        'image conversion': view.converter,
        'input Hz': _number(seen.input_hz),
        'output Hz': _number(seen.output_hz),
        'received': str(seen.counts.get('received', 0)),
        'processed': str(seen.counts.get('processed', 0)),
        'dropped': str(sum(seen.counts.get(reason, 0) for reason in DROPS)),
        **{f'dropped, {reason}': str(seen.counts.get(reason, 0)) for reason in DROPS},
        **{stage.replace('_ms', ' ms'): _number(value) for stage, value in seen.stages_ms.items()},
        'age p50 ms': _number(seen.age_p50 * 1e3),
        'age p95 ms': _number(seen.age_p95 * 1e3),
        'people': str(seen.people),
    }
    status = DiagnosticStatus(level=level, name=name, message=message, hardware_id=view.device)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array


def _number(value: float) -> str:
    return 'unknown' if math.isnan(value) else f'{value:.1f}'
