"""A node under test and somebody who talks to it over the middleware, in one process; and nodes as processes."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from pose_estimation_ros.ros.messages.image_conversion import from_bgr
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons

PATIENCE_S = 60
TRANSITIONS = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4, 'unconfigured_shutdown': 5}
REPOSITORY = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count()


def until(condition, what='it'):
    """Wait until something is true and return it."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, f'{what} did not happen within {PATIENCE_S} s'
        time.sleep(0.001)
    return value


def stamp(seconds):
    return Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))


def header(seconds, frame_id='camera'):
    return Header(stamp=stamp(seconds), frame_id=frame_id)


def now():
    return time.time_ns() / 1e9


class Spinner:
    """Spins a node in a thread of its own."""

    def __init__(self, node):
        self.node = node
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, name=f'spin_{node.get_name()}', daemon=True)
        self._thread.start()

    def stop(self):
        self._executor.shutdown()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self.node.destroy_node()


class Friend:
    """A node beside the one under test: sends images, hears everything."""

    def __init__(self, namespace, name='pose_node', reliable=True, compressed=False, listen=True):
        self.target = f'{namespace}/{name}'
        self.node = rclpy.create_node(f'friend_{next(NUMBERS)}', namespace=namespace)
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        kind, topic = (CompressedImage, 'image/compressed') if compressed else (Image, 'image')
        self.camera = self.node.create_publisher(kind, topic, QoSProfile(depth=10, reliability=policy))
        self.heard = defaultdict(list)
        self.statuses, self.logs = [], []
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._note_status, 10)
        latched = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(Log, '/rosout', self._note_log, latched)
        self._clients = {}
        self._subscriptions = {}
        if listen:
            self.listen(PointCloud2, 'skeletons')
        self._spinner = Spinner(self.node)

    def listen(self, kind, name, profile=100):
        """Hear a private topic of the node, or any topic with a full name."""
        topic = name if name.startswith('/') else f'{self.target}/{name}'
        self._subscriptions[name] = self.node.create_subscription(kind, topic, self.heard[name].append, profile)

    def ignore(self, name):
        self.node.destroy_subscription(self._subscriptions.pop(name))

    @property
    def skeletons(self):
        return self.heard['skeletons']

    @property
    def poses(self):
        """Of the last message."""
        return decode_skeletons(self.skeletons[-1])

    def _note_status(self, message):
        full = self.target.lstrip('/')
        self.statuses += [each for each in message.status if each.name == full]

    def _note_log(self, message):
        if message.name == self.target.lstrip('/').replace('/', '.'):
            self.logs.append(message)

    def said(self, text, level=0):
        """Log messages that contain a text."""
        return [each.msg for each in self.logs if text in each.msg and level in (0, each.level)]

    def call(self, kind, service, **fields):
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.node.create_client(kind, f'{self.target}/{service}')
        assert client.wait_for_service(PATIENCE_S)
        future = client.call_async(kind.Request(**fields))
        until(future.done, f'an answer of {service}')
        return future.result()

    def change(self, transition):
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return self.call(ChangeState, 'change_state', transition=request.transition).success

    def state(self):
        return self.call(GetState, 'get_state').current_state.label

    def set(self, **values):
        parameters = [
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg() for name, value in values.items()
        ]
        return self.call(SetParametersAtomically, 'set_parameters_atomically', parameters=parameters).result

    def reset_tracks(self):
        return self.call(Trigger, 'reset_tracks')

    def send(self, image, seconds=None, frame_id='camera'):
        """Publish pixels, or a whole message; return its header."""
        message = image
        if not hasattr(image, 'header'):
            message = from_bgr(image, header(now() if seconds is None else seconds, frame_id))
        self.camera.publish(message)
        return message.header

    def ask(self, image, seconds=None, frame_id='camera'):
        """Send an image and return the people's message."""
        before = len(self.skeletons)
        sent = self.send(image, seconds, frame_id)
        until(lambda: len(self.skeletons) > before, 'an answer')
        assert self.skeletons[-1].header == sent
        return self.skeletons[-1]

    def value(self, key):
        """One of the last diagnostic values."""
        return {each.key: each.value for each in self.statuses[-1].values}[key] if self.statuses else None

    def explained(self, text):
        """Wait until the diagnostics say something; return the status."""
        until(lambda: self.statuses and text in self.statuses[-1].message, f'the diagnosis {text!r}')
        return self.statuses[-1]

    def stop(self):
        self._spinner.stop()


class Robot(Friend):
    """A friend and the node, both in this process."""

    def __init__(self, make_node, friend, **parameters):
        self.namespace = f'/test_{next(NUMBERS)}'
        values = {'model_path': 'fake.onnx', 'autostart': False, **parameters}
        overrides = [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()]
        self.pose = make_node(namespace=self.namespace, parameter_overrides=overrides)
        super().__init__(self.namespace, **{'compressed': values.get('image_transport') == 'compressed', **friend})
        self._pose_spinner = Spinner(self.pose)

    def start(self):
        assert self.change('configure')
        assert self.change('activate')
        return self.connected()

    def connected(self):
        """Wait until images would reach the node, and answers this friend."""
        until(self.camera.get_subscription_count, 'a subscription to images')
        topic = self.pose.resolve_topic_name('image')
        until(lambda: self.pose.count_publishers(topic), 'a publisher of images')
        if 'skeletons' in self._subscriptions:
            until(self.pose._outputs.wanted, 'a subscription to skeletons')
            until(lambda: self.node.count_publishers(f'{self.target}/skeletons'))
        return self

    def start_compressed(self):
        assert self.change('configure')
        assert self.change('activate')
        until(self.camera.get_subscription_count, 'a subscription to images')
        until(self.pose._outputs.wanted, 'a subscription to skeletons')
        return self

    def counts(self):
        return self.pose._statistics.snapshot().counts

    def stop(self):
        super().stop()
        self._pose_spinner._executor.shutdown()
        self.pose.close()
        self._pose_spinner.stop()


class Process:
    """A program of ours, with what it says: `lines` on stdout, `output` on both streams as it arrives.

    What is compared word by word is stdout: on a busy machine the log may wonder first why nothing comes.
    """

    def __init__(self, *command, **environment):
        self._child = subprocess.Popen(
            [sys.executable, *command],
            cwd=REPOSITORY,
            env={**os.environ, 'PYTHONPATH': str(REPOSITORY), 'PYTHONUNBUFFERED': '1', **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines, self._both = [], []
        streams = [(self._child.stdout, [self.lines, self._both]), (self._child.stderr, [self._both])]
        self._readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in streams]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, kept):
        for line in stream:
            for lines in kept:
                lines.append(line.rstrip('\n'))

    @property
    def output(self):
        return '\n'.join(self._both)

    @property
    def pid(self):
        return self._child.pid

    def says(self, text):
        until(lambda: text in self.output or self._child.poll() is not None, text)
        assert text in self.output

    def signal(self, number):
        self._child.send_signal(number)

    def code(self):
        """Wait for the end and return the exit code."""
        code = self._child.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    def stop(self):
        """End it as Ctrl-C does, since one that is killed leaves its shared memory behind; kill what does not obey."""
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(10)
            self._child.kill()
        self._child.wait()
        self._child.stdout.close()
        self._child.stderr.close()
