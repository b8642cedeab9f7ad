import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner

OUT = Path('out')
POSES = Path('poses.json')
STREET_START, STREET_FRAMES = 200, 8


def frames_of(path=POSES):
    return json.loads(path.read_text())['frames']


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def video_frames(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(frame)


@pytest.fixture
def infer(cli, seeing):
    """Function that runs `infer` with the seer and expects it to work."""

    def run(*arguments):
        outcome = cli('infer', *arguments, *seeing)
        assert outcome.code == 0, outcome
        return outcome

    return run


class TestPictures:
    def test_poses_where_they_were_painted(self, infer, picture, standing):
        infer(picture, '--json', POSES)
        (frame,) = frames_of()
        assert len(frame['poses']) == 3
        for pose, person in zip(sorted(frame['poses'], key=lambda each: each['bbox'][0]), (53, 160, 266), strict=True):
            assert np.array(pose['keypoints'])[:, :2] == pytest.approx(standing(person), abs=2)
            assert (np.array(pose['keypoints'])[:, 2] > 0.3).all()

    def test_contract(self, infer, picture):
        infer(picture, '--json', POSES)
        content = json.loads(POSES.read_text())
        assert content.keys() == {'skeleton', 'frames'}
        assert content['skeleton'] == json.loads(json.dumps(OPENPOSE_18.describe()))
        (frame,) = content['frames']
        assert frame.keys() == {'source', 'index', 'stamp', 'width', 'height', 'poses'}
        assert frame | {'poses': 0} == {
            'source': str(picture), 'index': 0, 'stamp': 0.0, 'width': 320, 'height': 256, 'poses': 0,
        }  # fmt: skip
        for pose in frame['poses']:
            assert pose.keys() == {'id', 'score', 'bbox', 'keypoints'}
            assert pose['id'] is None
            assert isinstance(pose['score'], float)
            keypoints = np.array(pose['keypoints'])
            assert keypoints.shape == (18, 3)
            left, top, width, height = pose['bbox']
            assert (left, top) == pytest.approx(keypoints[:, :2].min(axis=0))
            assert (left + width, top + height) == pytest.approx(keypoints[:, :2].max(axis=0), abs=0.03)

    def test_missing_keypoints_are_null(self, infer, tmp_path, painted, standing):
        person = standing(160)
        person[4] = -1000  # the right wrist, out of the picture
        cv2.imwrite(str(tmp_path / 'armless.png'), painted([person]))
        infer(tmp_path / 'armless.png', '--json', POSES)
        (pose,) = frames_of()[0]['poses']
        assert [index for index, keypoint in enumerate(pose['keypoints']) if keypoint is None] == [4]

    def test_nobody(self, infer, tmp_path, painted):
        cv2.imwrite(str(tmp_path / 'nobody.png'), painted([]))
        outcome = infer(tmp_path / 'nobody.png', '--json', POSES, '--output', OUT)
        assert frames_of()[0]['poses'] == []
        assert (read_image(OUT / 'nobody.png') == painted([])).all()
        assert '0 poses' in outcome.out

    def test_annotated_picture(self, infer, picture, three):
        outcome = infer(picture, '--output', OUT)
        annotated = read_image(OUT / 'three.png')
        assert annotated.shape == three.shape
        assert 0.01 < (annotated != three).any(axis=2).mean() < 0.5
        assert f'wrote {OUT / "three.png"}' in outcome.out
        assert names_in(OUT) == ['three.png']

    def test_says_what_it_did(self, infer, picture):
        outcome = infer(picture)
        assert f'{picture}: 1 frame, 3 poses' in outcome.out
        assert '--output DIR' in outcome.out
        assert 'three.png:' in outcome.err  # the progress bar
        assert '0/1' in outcome.err
        assert names_in('.') == []

    def test_pictures_of_one_name_do_not_overwrite_each_other(self, infer, tmp_path, picture, painted):
        files = [tmp_path / folder / 'a.png' for folder in ('one', 'two', 'three')]
        for file in files:
            file.parent.mkdir()
            shutil.copy(picture, file)
        cv2.imwrite(str(files[1]), painted([]))
        infer(*files, '--output', OUT, '--json', POSES)
        assert names_in(OUT) == ['a.png', 'a_2.png', 'a_3.png']
        assert (read_image(OUT / 'a_2.png') == painted([])).all()
        assert (read_image(OUT / 'a.png') == read_image(OUT / 'a_3.png')).all()
        assert [frame['source'] for frame in frames_of()] == [str(file) for file in files]

    def test_results_of_an_earlier_run_are_replaced(self, infer, picture):
        for _ in range(2):
            infer(picture, '--output', OUT, '--json', POSES)
        assert names_in(OUT) == ['three.png']
        assert len(frames_of()) == 1

    @pytest.mark.parametrize(('suffix', 'written'), [('.jpg', '.jpg'), ('.BMP', '.bmp'), ('.ppm', '.png')])
    def test_formats(self, infer, tmp_path, three, suffix, written):
        path = tmp_path / f'people{suffix}'
        path.write_bytes(cv2.imencode(suffix.lower(), three)[1].tobytes())
        infer(path, '--output', OUT)
        assert names_in(OUT) == [f'people{written}']
        assert read_image(OUT / f'people{written}').shape == three.shape

    def test_ids_on_request(self, infer, picture):
        infer(picture, picture, '--track', 'on', '--json', POSES)
        assert [sorted(pose['id'] for pose in frame['poses']) for frame in frames_of()] == [[0, 1, 2], [0, 1, 2]]

    def test_boxes(self, infer, picture):
        """A box is drawn round people with an id."""
        infer(picture, '--track', 'on', '--output', OUT / 'plain')
        infer(picture, '--track', 'on', '--output', OUT / 'boxed', '--draw-boxes', '--json', POSES)
        plain, boxed = (read_image(OUT / name / 'three.png') for name in ('plain', 'boxed'))
        changed = (plain != boxed).any(axis=2)
        assert 0.005 < changed.mean() < 0.1
        for left, top, width, height in (map(round, pose['bbox']) for pose in frames_of()[0]['poses']):
            assert changed[top : top + height, left - 6 : left + 4].any(axis=1).mean() > 0.9
            assert not changed[top + 10 : top + height - 10, left + width // 2].any()


class TestFolders:
    @pytest.fixture
    def album(self, tmp_path, picture, painted):
        """Three pictures, one of them broken, and a note."""
        folder = tmp_path / 'album'
        folder.mkdir()
        shutil.copy(picture, folder / 'a2.png')
        cv2.imwrite(str(folder / 'a10.png'), painted([]))
        (folder / 'a3.png').write_bytes(picture.read_bytes()[:1000])
        (folder / 'note.txt').write_text('not a picture')
        return folder

    def test_unreadable_picture_is_left_out(self, infer, album):
        outcome = infer(album, '--output', OUT, '--json', POSES)
        assert outcome.complaints == [
            f'pose_estimation: {album / "a3.png"} is cut off (1000 bytes); copy or download it again; skipped'
        ]
        assert '2 frames, 3 poses' in outcome.out
        assert ', 1 unreadable and skipped' in outcome.out
        assert names_in(OUT) == ['a10.png', 'a2.png']
        names = [(frame['source'], frame['index'], len(frame['poses'])) for frame in frames_of()]
        assert names == [(str(album / 'a2.png'), 0, 3), (str(album / 'a10.png'), 1, 0)]

    def test_pattern(self, infer, album):
        infer(album / 'a?.png', '--json', POSES)
        assert [Path(frame['source']).name for frame in frames_of()] == ['a2.png']

    def test_limit(self, infer, album):
        infer(album, album / 'a2.png', '--limit', 1, '--json', POSES)
        assert [Path(frame['source']).name for frame in frames_of()] == ['a2.png', 'a2.png']

    def test_nothing_readable(self, cli, tmp_path, seeing):
        folder = tmp_path / 'broken'
        folder.mkdir()
        (folder / 'a.png').write_bytes(b'')
        outcome = cli('infer', folder, '--json', POSES, *seeing)
        assert outcome.code == 2
        assert outcome.complaints[-1] == f'pose_estimation: of 1 image in {folder} none can be read'
        assert names_in('.') == []


class TestVideos:
    def test_annotated_video(self, infer, clip, walking):
        outcome = infer(clip, '--output', OUT)
        assert names_in(OUT) == ['walk.mp4']
        frames, fps = video_frames(OUT / 'walk.mp4')
        assert len(frames) == len(walking)
        assert fps == pytest.approx(25)
        assert frames[0].shape == walking[0].shape
        assert np.abs(frames[0].astype(int) - walking[0]).max() > 60
        assert re.search(r'12 frames, 24 poses, 2 tracks', outcome.out)

    def test_stamps_are_those_of_the_video(self, infer, clip):
        infer(clip, '--json', POSES)
        frames = frames_of()
        assert [frame['index'] for frame in frames] == list(range(12))
        assert [frame['stamp'] for frame in frames] == pytest.approx([index / 25 for index in range(12)], abs=1e-5)
        assert {frame['source'] for frame in frames} == {str(clip)}

    def test_ids_last(self, infer, clip):
        infer(clip, '--json', POSES)
        left_to_right = [sorted(frame['poses'], key=lambda pose: pose['bbox'][0]) for frame in frames_of()]
        ids = {tuple(pose['id'] for pose in poses) for poses in left_to_right}
        assert ids in ({(0, 1)}, {(1, 0)})

    def test_no_ids_on_request(self, infer, clip):
        outcome = infer(clip, '--json', POSES, '--track', 'off')
        assert {pose['id'] for frame in frames_of() for pose in frame['poses']} == {None}
        assert 'tracks' not in outcome.out

    def test_smoothing_may_be_left_out(self, infer, clip, same_poses):
        infer(clip, '--json', 'smooth.json')
        infer(clip, '--json', 'raw.json', '--no-smooth')
        infer(clip, '--json', 'off.json', '--track', 'off')
        smooth, raw, off = (frames_of(Path(f'{name}.json')) for name in ('smooth', 'raw', 'off'))
        for one, other in zip(raw, off, strict=True):
            in_order = [sorted(frame['poses'], key=lambda pose: pose['bbox'][0]) for frame in (one, other)]
            same_poses(*in_order)
        with pytest.raises(AssertionError):
            same_poses(smooth[-1]['poses'], raw[-1]['poses'])

    def test_limit(self, infer, clip):
        infer(clip, '--json', POSES, '--output', OUT, '--limit', 5)
        assert len(frames_of()) == 5
        assert len(video_frames(OUT / 'walk.mp4')[0]) == 5

    def test_people_of_one_video_are_not_those_of_the_next(self, infer, clip):
        infer(clip, clip, '--json', POSES, '--output', OUT)
        frames = frames_of()
        assert len(frames) == 24
        assert {pose['id'] for pose in frames[0]['poses']} == {pose['id'] for pose in frames[12]['poses']} == {0, 1}
        assert frames[12]['stamp'] == 0
        assert names_in(OUT) == ['walk.mp4', 'walk_2.mp4']

    def test_pictures_and_videos_together(self, infer, picture, clip):
        infer(picture, clip, picture, '--json', POSES, '--output', OUT)
        assert len(frames_of()) == 14
        assert names_in(OUT) == ['three.png', 'three_2.png', 'walk.mp4']


class TestOutput:
    @pytest.fixture
    def own(self, tmp_path, picture):
        """A picture of the user's."""
        path = tmp_path / 'album' / 'mine.png'
        path.parent.mkdir()
        shutil.copy(picture, path)
        return path

    def assert_kept(self, outcome, own, picture):
        assert 'is itself a source and would be overwritten' in outcome.sentence()
        assert own.read_bytes() == picture.read_bytes()
        assert [name for name in names_in(own.parent) if name.startswith('.')] == []

    @pytest.mark.parametrize('as_folder', [False, True])
    def test_source_is_not_overwritten(self, cli, own, picture, seeing, as_folder):
        outcome = cli('infer', own.parent if as_folder else own, '--output', own.parent, *seeing)
        self.assert_kept(outcome, own, picture)

    def test_nor_by_another_source_of_its_name(self, cli, tmp_path, own, picture, seeing):
        other = tmp_path / 'mine.png'
        shutil.copy(picture, other)
        self.assert_kept(cli('infer', other, own, '--output', own.parent, *seeing), own, picture)

    def test_nor_through_a_link(self, cli, tmp_path, own, picture, seeing):
        (tmp_path / 'mine.png').symlink_to(own)
        self.assert_kept(cli('infer', own, '--output', tmp_path, *seeing), own, picture)

    def test_nor_by_the_json(self, cli, own, picture, seeing):
        self.assert_kept(cli('infer', own, '--json', own, *seeing), own, picture)

    def test_a_video_is_not_overwritten(self, cli, tmp_path, clip, seeing):
        own = tmp_path / 'mine.mp4'
        shutil.copy(clip, own)
        self.assert_kept(cli('infer', own, '--output', tmp_path, *seeing), own, clip)

    def test_json_through_a_link(self, infer, picture):
        Path('real').mkdir()
        Path('real/poses.json').write_text('old')
        Path('link.json').symlink_to('real/poses.json')
        infer(picture, '--json', 'link.json')
        assert Path('link.json').is_symlink()
        assert len(frames_of(Path('real/poses.json'))) == 1

    def test_json_into_a_pipe(self, infer, picture):
        os.mkfifo('pipe')
        arrived = []
        reader = threading.Thread(target=lambda: arrived.append(Path('pipe').read_text()), daemon=True)
        reader.start()
        infer(picture, '--json', 'pipe')
        reader.join(timeout=30)
        assert len(json.loads(arrived[0])['frames']) == 1
        assert Path('pipe').is_fifo()

    @pytest.mark.skipif(not Path('/dev/stdout').is_symlink(), reason='no /dev/stdout here')
    def test_json_to_stdout(self, spawn, picture, seeing):
        """Through a pipe; the link itself must outlive it, even if root writes."""
        outcome = spawn('infer', picture, '--json', '/dev/fd/1', *seeing)
        assert outcome.code == 0, outcome
        assert '"frames": [' in outcome.out

    def test_nothing_but_json_on_stdout(self, spawn, picture, seeing):
        outcome = spawn('infer', picture, '--json', '-', '--output', OUT, *seeing)
        assert outcome.code == 0, outcome
        assert len(json.loads(outcome.out)['frames']) == 1
        assert '1 frame, ' in outcome.err
        assert f'wrote {OUT}' in outcome.err
        assert not Path('-').exists()

    def test_show_needs_a_display(self, cli, picture, seeing):
        sentence = cli('infer', picture, '--show', '--json', POSES, '--output', OUT, *seeing).sentence()
        assert sentence == 'pose_estimation: --show needs a display, and there is none; use --output DIR instead'
        assert not POSES.exists()


class TestInterrupted:
    @pytest.fixture
    def halfway(self, start, tmp_path, walking, record, seeing):
        """A process in the middle of a long video, and the folder that it writes to."""
        long = record(tmp_path / 'long.avi', walking * 50)
        process = start('infer', long, '--output', OUT, '--json', OUT / 'poses.json', *seeing)
        started = time.monotonic()
        while not (OUT.exists() and any(size for size in (file.stat().st_size for file in OUT.iterdir()))):
            assert process.poll() is None
            assert time.monotonic() - started < 60
            time.sleep(0.01)
        return process

    def test_by_hand(self, halfway):
        halfway.send_signal(signal.SIGINT)
        _, err = halfway.communicate(timeout=60)
        assert halfway.returncode == 130
        assert 'Traceback' not in err
        assert err.rstrip().endswith('pose_estimation: interrupted')
        assert names_in(OUT) == []

    def test_by_sigterm(self, halfway):
        halfway.terminate()
        _, err = halfway.communicate(timeout=60)
        assert halfway.returncode == 143
        assert 'Traceback' not in err
        assert names_in(OUT) == []

    def test_by_kill(self, halfway):
        halfway.kill()
        halfway.communicate(timeout=60)
        assert [name for name in names_in(OUT) if not name.startswith('.')] == []


@pytest.fixture(scope='module')
def weights(assets):
    return assets / 'weights' / 'lwop_omz.onnx'


@pytest.fixture(scope='module')
def street(assets, record, tmp_path_factory):
    """Frames with some eight people, and a video of them."""
    capture = cv2.VideoCapture(str(assets / 'video' / 'street.mp4'))
    capture.set(cv2.CAP_PROP_POS_FRAMES, STREET_START)
    frames = [capture.read()[1] for _ in range(STREET_FRAMES)]
    return frames, record(tmp_path_factory.mktemp('street') / 'street.avi', frames, fps=30)


class TestRealWeights:
    """People of a real street, by real weights."""

    def test_video(self, cli, street, weights, same_poses):
        images, video = street
        options = ('--weights', weights, '--backend', 'onnxruntime')
        outcome = cli('infer', video, '--json', POSES, '--output', OUT, *options)
        assert outcome.code == 0, outcome
        frames = frames_of()
        ids = [{pose['id'] for pose in frame['poses']} - {None} for frame in frames]
        assert len(set.intersection(*ids)) >= 6
        assert all(len(frame['poses']) >= 7 for frame in frames)
        assert names_in(OUT) == ['street.mp4']
        learner = LightweightOpenPoseLearner(device='cpu', backend='onnxruntime')
        learner.load(weights)
        for index, (image, frame) in enumerate(zip(images, frames, strict=True)):
            own = learner.infer(image, stamp=index / 30)
            assert [pose.id for pose in own] == [pose['id'] for pose in frame['poses']]
            same_poses(frame['poses'], own, pixels=0.02)

    def test_picture(self, cli, tmp_path, street, weights, same_poses):
        image = street[0][0]
        cv2.imwrite(str(tmp_path / 'street.png'), image)
        options = ('--weights', weights, '--backend', 'onnxruntime', '--height', 192, '--max-persons', 4)
        outcome = cli('infer', tmp_path / 'street.png', '--json', POSES, *options)
        assert outcome.code == 0, outcome
        small = LightweightOpenPoseLearner(
            device='cpu', backend='onnxruntime', base_height=192, decoding={'max_persons': 4}
        )
        small.load(weights)
        own = small.infer(image, track=False)
        assert len(own) == 4
        same_poses(frames_of()[0]['poses'], own, pixels=0.02)
