import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from pose_estimation_ros.core.errors import DatasetError, OutputError, SettingsError
from pose_estimation_ros.fetching.imagenet import IMAGENET, ImageNetCounts, labels_yaml, prepare_imagenet
from pose_estimation_ros.fetching.preparation import MADE, THERE, PreparationOptions

yaml = pytest.importorskip('yaml')

QUIET = PreparationOptions(progress=False)
COUNTS = replace(IMAGENET, train=6, val=4, classes=2, most_bytes=10_000)
SYNSETS = 'n01440764 tench, Tinca tinca\nn01484850 great white shark, white shark\n'
SOLUTION = """ImageId,PredictionString
ILSVRC2012_val_00000001,n01484850 85 1 499 272
ILSVRC2012_val_00000002,n01440764 1 2 3 4 n01440764 5 6 7 8
ILSVRC2012_val_00000003,n01484850 0 0 9 9
ILSVRC2012_val_00000004,n01440764 0 0 9 9
"""
CLASS_OF = {1: 'n01484850', 2: 'n01440764', 3: 'n01484850', 4: 'n01440764'}
ROOM = 'ILSVRC/Data/CLS-LOC'


def members():
    """Return what a miniature of Kaggle's archive holds."""
    wnids = ('n01440764', 'n01484850')
    train = {f'{ROOM}/train/{wnid}/{wnid}_{n}.JPEG': f'{wnid}{n}' * 40 for wnid in wnids for n in range(3)}
    val = {f'{ROOM}/val/ILSVRC2012_val_{n:08}.JPEG': f'val{n}' * 50 for n in CLASS_OF}
    others = {f'{ROOM}/test/ILSVRC2012_test_00000001.JPEG': 'x', 'ILSVRC/Annotations/CLS-LOC/val/a.xml': '<a/>'}
    return {**train, **val, **others, 'LOC_synset_mapping.txt': SYNSETS, 'LOC_val_solution.csv': SOLUTION}


@pytest.fixture
def pack(tmp_path):
    """Function that writes the archive, with changes (None: left out); returns its path."""

    def write(**changes):
        path = tmp_path / 'imagenet-object-localization-challenge.zip'
        with zipfile.ZipFile(path, 'w') as file:
            for name, content in {**members(), **changes.pop('changes', {})}.items():
                if content is not None:
                    file.writestr(name, content)
        return path

    return write


@pytest.fixture
def output(tmp_path):
    return tmp_path / 'data' / 'ImageNet'


def prepare(output, archive, options=QUIET, counts=COUNTS):
    return prepare_imagenet(output, archive, options, counts)


def assert_complete(output):
    contents = members()
    files = {str(path.relative_to(output)): path.read_text() for path in output.rglob('*.JPEG')}
    expected = {name.removeprefix(f'{ROOM}/'): text for name, text in contents.items() if '/train/' in name}
    for number, wnid in CLASS_OF.items():
        name = f'ILSVRC2012_val_{number:08}.JPEG'
        expected[f'val/{wnid}/{name}'] = contents[f'{ROOM}/val/{name}']
    assert files == expected
    labels = yaml.safe_load((output / 'wordnet_labels.yaml').read_text())
    assert labels == {'0': ['n01440764', 'tench'], '1': ['n01484850', 'great_white_shark']}
    assert not (output / '.preparing').exists()


def test_a_folder_for_each_class(pack, output):
    archive = pack()
    outcome = prepare(output, archive)
    assert_complete(output)
    assert [(part.name, part.files, part.state) for part in outcome.parts] == [('train', 6, MADE), ('val', 4, MADE)]
    assert archive.exists()
    assert sorted(path.name for path in output.iterdir()) == ['.prepared', 'train', 'val', 'wordnet_labels.yaml']


def test_a_second_run_does_nothing_and_needs_no_archive(pack, output):
    prepare(output, pack())
    before = {path: path.stat().st_mtime_ns for path in output.rglob('*')}
    outcome = prepare(output, None)
    assert [part.state for part in outcome.parts] == [THERE, THERE]
    assert {path: path.stat().st_mtime_ns for path in output.rglob('*')} == before


def test_what_is_missing_is_made(pack, output):
    archive = pack()
    prepare(output, archive)
    (output / 'wordnet_labels.yaml').unlink()
    (output / 'val' / 'n01440764' / 'ILSVRC2012_val_00000002.JPEG').unlink()
    assert [part.state for part in prepare(output, archive).parts] == [THERE, MADE]
    assert_complete(output)


def test_no_archive(output):
    with pytest.raises(SettingsError, match=r'needs an account: get imagenet-object.*\.zip from https://www\.kaggle'):
        prepare(output, None)
    with pytest.raises(DatasetError, match=r'there is no archive none\.zip'):
        prepare(output, Path('none.zip'))
    assert not output.exists()


def test_dry_run(pack, output):
    archive = pack()
    outcome = prepare(output, archive, PreparationOptions(progress=False, dry_run=True, free=lambda folder: 0))
    assert outcome.parts == ()
    assert outcome.notes[0] == f'would unpack 6 files of {archive} to {output}/train'
    assert outcome.notes[-1].endswith('0 bytes are free')
    assert not output.exists()


def test_too_little_room(pack, output):
    with pytest.raises(OutputError, match='but only 99 bytes are free'):
        prepare(output, pack(), PreparationOptions(progress=False, free=lambda folder: 99))
    assert not output.exists()


def test_progress(pack, output, capsys):
    prepare(output, pack(), PreparationOptions())
    shown = capsys.readouterr().err
    assert 'unpacking train: 100%' in shown
    assert 'unpacking val: 100%' in shown


VAL_1 = f'{ROOM}/val/ILSVRC2012_val_00000001.JPEG'


@pytest.mark.parametrize(
    ('changes', 'match'),
    [
        ({VAL_1: None}, 'has 3 validation images, expected 4'),
        ({f'{ROOM}/train/n01440764/more.JPEG': 'x'}, 'has 7 training images, expected 6'),
        ({'LOC_synset_mapping.txt': None}, r'has no LOC_synset_mapping\.txt'),
        ({'LOC_synset_mapping.txt': SYNSETS + 'n3 third'}, 'has 3 classes'),
        ({'LOC_synset_mapping.txt': 'n01440764\nn01484850\n'}, 'has a line without a name'),
        ({'LOC_synset_mapping.txt': b'\xff\xfe\xff'}, 'is damaged'),
        ({'LOC_synset_mapping.txt': SYNSETS.replace('n01440764', 'n00000001')}, 'classes of .* do not match: n0'),
        ({'LOC_val_solution.csv': SOLUTION[:-40]}, r'has no class for ILSVRC2012_val_00000004\.JPEG'),
        ({'LOC_val_solution.csv': SOLUTION.replace('n01484850', 'n09999999')}, 'do not match: n09999999'),
        ({'LOC_val_solution.csv': ''}, 'has no class for'),
        ({'../../evil.JPEG': 'x'}, 'outside its folder'),
        ({VAL_1: 'x' * 20_000}, 'would unpack to 20.* KiB, expected at most 9.8 KiB'),
    ],
)
def test_an_archive_that_is_another(pack, output, changes, match):
    with pytest.raises(DatasetError, match=match) as caught:
        prepare(output, pack(changes=changes))
    assert '\n' not in str(caught.value)
    assert not output.exists()


def test_a_damaged_image(pack, output):
    archive = pack()
    content = members()[VAL_1].encode()
    archive.write_bytes(archive.read_bytes().replace(content, content[::-1]))
    with pytest.raises(DatasetError, match=r'is damaged at .*val_00000001\.JPEG: Bad CRC'):
        prepare(output, archive)
    assert not (output / 'val').exists()
    assert not (output / 'wordnet_labels.yaml').exists()
    assert archive.exists()
    prepare(output, pack())
    assert_complete(output)


def test_labels_are_valid_yaml_whatever_the_names():
    text = labels_yaml('n2 jack-o\'-lantern, "lamp"\n\nn1 crème brûlée: no\n')
    assert yaml.safe_load(text) == {'0': ['n1', 'crème_brûlée:_no'], '1': ['n2', "jack-o'-lantern"]}


def test_the_published_counts():
    assert (ImageNetCounts().train, ImageNetCounts().val, ImageNetCounts().classes) == (1_281_167, 50_000, 1_000)
