import math
from dataclasses import replace

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time

from pose_estimation_ros.ros.nodes.diagnostics import DROPS, ERROR, OK, WARN, NodeView, diagnostic_array, explain
from pose_estimation_ros.ros.nodes.statistics import Snapshot

VIEW = NodeView('active', 'lightweight_openpose', 'cpu', 'onnxruntime fp32', 'built-in', '/camera/image', 1)
SEEN = Snapshot(
    input_hz=30.0,
    output_hz=14.96,
    counts={'received': 100, 'processed': 50, 'busy': 40, 'broken': 5, 'paused': 5},
    stages_ms={'preprocess_ms': 1.0, 'forward_ms': 20.0, 'decode_ms': 3.0, 'total_ms': 24.0},
    age_p50=0.03,
    age_p95=0.05,
    people=2,
    published=70,
    lost={'busy': 75},
    silent_for=0.03,
)
NEVER = replace(SEEN, counts={}, published=0, lost={}, people=0, silent_for=1.4)
SLOW = replace(SEEN, stages_ms={'total_ms': 90.0, 'convert_ms': 4.0, 'track_ms': math.nan, 'publish_ms': 6.0})
SLOWER = (
    'a frame takes 100 ms, an image comes every 33 ms: frames between are dropped; a smaller input, another backend or'
    ' a GPU is faster'
)
STALLED = replace(SEEN, silent_for=20.4)


@pytest.mark.parametrize(
    ('view', 'seen', 'expected'),
    [
        ({}, SEEN, (OK, '2 people seen')),
        ({}, replace(SEEN, people=0), (OK, 'frames arrive, no people detected')),
        ({'state': 'inactive'}, NEVER, (OK, 'inactive: not processing images')),
        ({'publishers': 0}, NEVER, (WARN, 'no publisher on /camera/image')),
        ({'publishers': 0}, STALLED, (WARN, 'no publisher on /camera/image')),
        ({}, NEVER, (OK, 'no image on /camera/image for 1 s, though it has 1 publisher')),
        ({}, STALLED, (WARN, 'no image on /camera/image for 20 s, though it has 1 publisher')),
        ({'stall_timeout': 0.0}, STALLED, (WARN, 'no image on /camera/image for 20 s, though it has 1 publisher')),
        ({'stall_timeout': 60.0}, STALLED, (OK, '2 people seen')),
        ({'incompatible_qos': 'RELIABILITY'}, NEVER,
         (ERROR, 'incompatible QoS with a publisher on /camera/image: RELIABILITY')),
        ({'incompatible_qos': 'RELIABILITY'}, STALLED,
         (ERROR, 'incompatible QoS with a publisher on /camera/image: RELIABILITY')),
        ({'incompatible_qos': 'RELIABILITY'}, SEEN, (OK, '2 people seen')),  # another publisher fits
        ({'has_subscribers': False}, SEEN, (OK, 'no subscribers, paused')),
        ({'has_subscribers': False, 'unmatched': '/n/skeletons'}, SEEN,
         (WARN, 'paused: incompatible QoS or type of the subscribers of /n/skeletons; offered is reliable or best '
                'effort, volatile, without deadline')),
        ({'depth_fault': 'no depth'}, SEEN, (WARN, '2 people seen, none in 3D: no depth')),
        ({'unmatched': '/n/skeletons'}, SEEN, (OK, '2 people seen')),  # others listen
        ({'has_subscribers': False}, STALLED,
         (WARN, 'no image on /camera/image for 20 s, though it has 1 publisher')),
        ({'has_subscribers': False, 'lazy': False}, SEEN, (OK, '2 people seen')),
        ({}, replace(SEEN, published=0, lost={}), (WARN, 'frames arrive, none is published')),
        ({}, replace(SEEN, published=0, lost={'stale': 3, 'broken': 12}),
         (WARN, 'frames arrive, none is published; dropped lately: 12 broken, 3 stale')),
        ({'failure': 'it is broken', 'publishers': 0}, NEVER, (WARN, 'no publisher on /camera/image')),
        ({'failure': 'it is broken'}, SEEN, (ERROR, 'it is broken')),
        ({'other_types': 'std_msgs/msg/String'}, NEVER,
         (ERROR, '/camera/image carries std_msgs/msg/String, which this node does not subscribe to')),
        ({'failure': 'it is broken', 'state': 'inactive'}, SEEN, (ERROR, 'it is broken')),
        ({}, SLOW, (WARN, f'2 people seen; {SLOWER}')),
        ({}, replace(SLOW, people=0), (WARN, f'frames arrive, no people detected; {SLOWER}')),
        ({'max_rate': 5.0}, SLOW, (OK, '2 people seen')),  # images between are not wanted
        ({}, replace(SLOW, lost={}), (OK, '2 people seen')),
        ({}, replace(SLOW, input_hz=0.0), (OK, '2 people seen')),
        ({'depth_fault': 'no depth'}, SLOW, (WARN, '2 people seen, none in 3D: no depth')),
    ],
)  # fmt: skip
def test_silence_is_explained(view, seen, expected):
    assert explain(replace(VIEW, **view), seen) == expected


def test_message():
    stamp = Time(sec=5, nanosec=7)
    array = diagnostic_array('robot/pose_node', VIEW, SEEN, stamp)
    (status,) = array.status
    assert array.header.stamp == stamp
    assert (status.level, status.name, status.message) == (OK, 'robot/pose_node', '2 people seen')
    values = {each.key: each.value for each in status.values}
    assert values == {
        'state': 'active',
        'method': 'lightweight_openpose',
        'device': 'cpu',
        'backend': 'onnxruntime fp32',
        'image conversion': 'built-in',
        'input Hz': '30.0',
        'output Hz': '15.0',
        'received': '100',
        'processed': '50',
        'dropped': '45',
        **{f'dropped, {reason}': '0' for reason in DROPS},
        'dropped, busy': '40',
        'dropped, broken': '5',
        'preprocess ms': '1.0',
        'forward ms': '20.0',
        'decode ms': '3.0',
        'total ms': '24.0',
        'age p50 ms': '30.0',
        'age p95 ms': '50.0',
        'people': '2',
    }


def test_what_was_not_measured_is_unknown():
    seen = replace(NEVER, stages_ms={'total_ms': math.nan}, age_p50=math.nan, age_p95=math.nan)
    status = diagnostic_array('node', VIEW, seen, Time()).status[0]
    values = {each.key: each.value for each in status.values}
    assert values['total ms'] == values['age p50 ms'] == values['age p95 ms'] == 'unknown'
