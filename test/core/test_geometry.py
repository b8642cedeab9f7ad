"""One rule for pixel centres: images through OpenCV and points through our maps land together."""

import math

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.geometry import Affine, CentredAffine, Letterbox, centred_affine

POINTS = np.array([[0, 0], [10, 3], [-4.5, 7.25], [639, 479]], dtype=float)
MAPS = {
    'scaling': Affine.scaling(1.7, 0.6),
    'published scaling': Affine.scaling(2.5, pixel_centres=False),
    'translation': Affine.translation(-3, 8.5),
    'rotation': Affine.rotation(33, (20, -4)),
    'all': Affine.translation(3, 4) @ Affine.rotation(-70, (5, 5)) @ Affine.scaling(0.3),
}


def white_pixel(height, width, x, y):
    image = np.zeros((height, width), dtype=np.float32)
    image[y, x] = 1
    return image


def centroid(image):
    ys, xs = np.indices(image.shape)
    return np.array([(xs * image).sum(), (ys * image).sum()]) / image.sum()


def ramps(height, width):
    """An image whose two channels say where they were: x and y."""
    ys, xs = np.indices((height, width), dtype=np.float32)
    return np.dstack([xs, ys])


def letterboxed(image, letterbox, fill=np.nan):
    resized = cv2.resize(image, letterbox.resized_hw[::-1], interpolation=cv2.INTER_LINEAR)
    top, left, bottom, right = letterbox.pad
    return cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=[fill] * 4)


@pytest.mark.parametrize('factor', [2, 3, 4, 8])
def test_scaling_takes_a_white_pixel_where_opencv_does(factor):
    enlarged = cv2.resize(white_pixel(9, 11, 7, 4), (0, 0), fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    assert centroid(enlarged) == pytest.approx(Affine.scaling(factor)(np.array([7, 4])), abs=1e-4)


@pytest.mark.parametrize('new_hw', [(30, 30), (31, 57), (77, 20), (100, 101)])
def test_scaling_inverse_tells_where_a_resized_pixel_was(new_hw):
    height, width = 37, 53
    resized = cv2.resize(ramps(height, width), new_hw[::-1], interpolation=cv2.INTER_LINEAR)
    places = Affine.scaling(new_hw[1] / width, new_hw[0] / height).inverse()(ramps(*new_hw))
    inside = (places >= 0).all(axis=2) & (places[..., 0] <= width - 1) & (places[..., 1] <= height - 1)
    assert inside.mean() > 0.9
    assert abs(resized - places)[inside].max() < 1e-3


def test_published_scaling_is_half_a_pixel_off():
    assert Affine.scaling(4, pixel_centres=False)(np.array([3, 5])).tolist() == [12, 20]
    assert Affine.scaling(4)(np.array([3, 5])).tolist() == [13.5, 21.5]


@pytest.mark.parametrize('name', ['translation', 'rotation', 'all'])
def test_affine_is_the_forward_map_of_warp_affine(name):
    affine = Affine.translation(60, 60) @ MAPS[name]
    blob = cv2.GaussianBlur(white_pixel(80, 90, 30, 20), (0, 0), 4)
    warped = cv2.warpAffine(blob, affine.matrix, (200, 200), flags=cv2.INTER_LINEAR)
    assert centroid(warped) == pytest.approx(affine(np.array([30, 20])), abs=0.05)


def test_rotation_turns_clockwise_on_a_screen():
    assert Affine.rotation(90, (10, 10))(np.array([15, 10])) == pytest.approx([10, 15])


@pytest.mark.parametrize('name', MAPS)
def test_inverse_round_trip(name):
    affine = MAPS[name]
    assert affine.inverse()(affine(POINTS)) == pytest.approx(POINTS)
    assert (affine @ affine.inverse()).matrix == pytest.approx(np.eye(2, 3), abs=1e-12)


def test_product_applies_the_right_one_first():
    first, then = MAPS['rotation'], MAPS['scaling']
    assert (then @ first)(POINTS) == pytest.approx(then(first(POINTS)))
    assert then.matrix == pytest.approx(Affine.scaling(1.7, 0.6).matrix)  # operands stay as they were


def test_points_of_any_leading_shape():
    many = np.stack([POINTS, POINTS + 1])[None]
    assert MAPS['all'](many).shape == (1, 2, 4, 2)
    assert MAPS['all'](many)[0, 1, 2] == pytest.approx(MAPS['all'](POINTS[2] + 1))
    assert MAPS['all'](np.empty((0, 2))).shape == (0, 2)


def published_pad(height, width, base, stride):
    """FACTS 1.3: the published `pad_width`, for an image that is already resized."""
    rows = math.ceil(base / stride) * stride
    columns = math.ceil(max(width, base) / stride) * stride
    height = min(base, height)
    top, left = (rows - height) // 2, (columns - width) // 2
    return top, left, rows - height - top, columns - width - left


@pytest.mark.parametrize('base', [256, 250, 368])
@pytest.mark.parametrize('stride', [8, 16])
@pytest.mark.parametrize('image_hw', [(480, 640), (720, 1280), (427, 641), (640, 91), (255, 257), (33, 33)])
def test_letterbox_follows_the_published_rule(image_hw, base, stride):
    letterbox = Letterbox.fit(image_hw, base, stride)
    resized = cv2.resize(np.zeros((*image_hw, 1), np.uint8), (0, 0), fx=base / image_hw[0], fy=base / image_hw[0])
    assert letterbox.resized_hw == resized.shape[:2]
    assert letterbox.scale == base / image_hw[0]
    assert letterbox.pad == published_pad(*letterbox.resized_hw, base, stride)
    height, width = letterbox.network_hw
    assert height % stride == width % stride == 0
    assert width >= base


@pytest.mark.parametrize('image_hw', [(480, 640), (101, 77), (333, 499), (90, 400)])
@pytest.mark.parametrize('fit', ['free', 'fixed'])
def test_letterbox_takes_points_where_the_image_goes(image_hw, fit):
    letterbox = Letterbox.fit(image_hw, 250, 8) if fit == 'free' else Letterbox.fit_inside(image_hw, (256, 456))
    packed = letterboxed(ramps(*image_hw), letterbox)
    assert packed.shape[:2] == letterbox.network_hw
    places = letterbox.image_to_network().inverse()(ramps(*letterbox.network_hw))
    known = np.isfinite(packed).all(axis=2)
    inner = (places > 1).all(axis=2) & (places[..., 0] < image_hw[1] - 2) & (places[..., 1] < image_hw[0] - 2)
    assert not (inner & ~known).any()
    # The resized image has whole pixels, so that its own scale differs by up to half a pixel over its length.
    allowed = 0.5 / letterbox.scale + 1e-3
    assert abs(packed - places)[inner].max() < allowed


@pytest.mark.parametrize('pad', [(0, 0), (3, 5)])
@pytest.mark.parametrize('stride', [8, 16])
def test_a_cell_of_a_map_lies_in_the_middle_of_its_pixels(stride, pad):
    # An image that is only padded: the mean place of the pixels below a cell is where the cell lies.
    top, left = pad
    letterbox = Letterbox((64, 96), 1.0, (64, 96), (top, left, 16 - top, 16 - left))
    height, width = letterbox.network_hw
    places = ramps(height, width) - (left, top)
    cells = places.reshape(height // stride, stride, width // stride, stride, 2).mean(axis=(1, 3))
    assert letterbox.map_to_image(stride)(ramps(*cells.shape[:2])) == pytest.approx(cells)


def test_published_demo_map_to_image():
    letterbox = Letterbox.fit((240, 295), 256, 8)
    top, left, _, _ = letterbox.pad
    x, y = letterbox.map_to_image(2, pixel_centres=False)(np.array([30, 41]))
    assert (x, y) == pytest.approx(((30 * 2 - left) / letterbox.scale, (41 * 2 - top) / letterbox.scale))


@pytest.mark.parametrize('image_hw', [(1, 1), (1, 20000), (20000, 1), (3, 4000)])
def test_extreme_shapes_stay_bounded(image_hw):
    letterbox = Letterbox.fit(image_hw, 256, 8, max_width=2560)
    assert min(letterbox.resized_hw) >= 1
    assert letterbox.network_hw[0] == 256
    assert 256 <= letterbox.network_hw[1] <= 2560
    assert min(letterbox.pad) >= 0
    fixed = Letterbox.fit_inside(image_hw, (256, 456))
    assert fixed.network_hw == (256, 456)
    assert min(fixed.pad) >= 0


def test_a_wide_image_is_scaled_down_further_and_no_more_than_needed():
    assert Letterbox.fit((100, 1000), 256, 8, max_width=2560).scale == 2.56
    wider = Letterbox.fit((100, 2000), 256, 8, max_width=2560)
    assert wider.scale == 1.28
    assert wider.resized_hw == (128, 2560)
    assert wider.pad == (64, 0, 64, 0)


PLACEMENTS = {
    'letterbox': lambda hw: Letterbox.fit(hw, 250, 8),
    'fixed letterbox': lambda hw: Letterbox.fit_inside(hw, (256, 456)),
    'corner': lambda hw: Letterbox.in_corner(hw, (320, 320)),
    'short side': lambda hw: CentredAffine.short_side(hw, 256),
    'crop': lambda hw: CentredAffine(hw, (256, 192), centred_affine((40.3, 61.8), 1.3, (256, 192), -12)),
}


@pytest.mark.parametrize('image_hw', [(300, 420), (301, 203), (97, 97)])
@pytest.mark.parametrize('placement', PLACEMENTS)
def test_placements_take_points_there_and_back(placement, image_hw):
    placed = PLACEMENTS[placement](image_hw)
    for pixel_centres in (True, False):
        there = placed.image_to_network(pixel_centres)
        assert placed.map_to_image(1, pixel_centres)(there(POINTS)) == pytest.approx(POINTS)
        cells = Affine.scaling(4, pixel_centres=pixel_centres).inverse()(there(POINTS))
        assert placed.map_to_image(4, pixel_centres)(cells) == pytest.approx(POINTS)


@pytest.mark.parametrize('interpolation', ['linear', 'cubic'])
@pytest.mark.parametrize('placement', PLACEMENTS)
def test_a_white_pixel_lands_where_the_placement_says(placement, interpolation):
    """The spot is blurred, since shrinking samples few pixels; the inner part lies at its offset in the input."""
    placed = PLACEMENTS[placement]((120, 90))
    spot = cv2.GaussianBlur(white_pixel(120, 90, 41, 63) * 255 * 60, (0, 0), 3).clip(0, 255).astype(np.uint8)
    canvas = np.zeros(placed.network_hw)
    canvas[placed.inner] = placed.resample(np.dstack([spot] * 3), interpolation)[..., 0]
    if placement == 'corner':
        canvas[placed.resized_hw[0] :], canvas[:, placed.resized_hw[1] :] = 0, 0
    centres = placement in ('letterbox', 'fixed letterbox', 'corner')
    assert centroid(canvas) == pytest.approx(placed.image_to_network(centres)(np.array([41, 63])), abs=0.1)


def test_what_lies_around_an_image_is_raw():
    image = np.full((60, 40, 3), 200, np.uint8)
    corner = Letterbox.in_corner((60, 40), (120, 120), border=127).resample(image)
    assert corner.shape == (120, 120, 3)
    assert (corner[:, :80] == 200).all()
    assert (corner[:, 80:] == 127).all()
    warped = CentredAffine.short_side((60, 40), 64).resample(image)
    assert warped.shape == (128, 64, 3)
    assert set(np.unique(warped[[0, -1]])) == {0}
    assert (warped[64, 2:-2] == 200).all()


def test_a_label_offset_moves_points_and_no_pixels():
    affine = centred_affine((20, 30), 2.0, (64, 48))
    plain, moved = (CentredAffine((60, 40), (64, 48), affine, offset) for offset in (0.0, 0.5))
    assert moved.map_to_image(4)(POINTS) == pytest.approx(plain.map_to_image(4)(POINTS) - 0.5)
    image = np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    assert (plain.resample(image) == moved.resample(image)).all()


def test_short_side_sizes_are_the_reference_codes(golden):
    rows = golden('sizes_bottomup')['sizes']
    assert len(rows) == 90
    for height, width, size, scale, least, columns, lines, x, y, across, _ in rows:
        placed = CentredAffine.short_side((int(height), int(width)), int(size), scale, least)
        assert placed.network_hw == (lines, columns)
        factor = columns / (across * 200)
        expected = [[factor, 0, columns / 2 - factor * x], [0, factor, lines / 2 - factor * y]]
        assert placed.affine.matrix == pytest.approx(np.array(expected), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ('name', 'case', 'least'),
    [
        ('pipeline_higherhrnet', 'ss', 1.0),
        ('pipeline_higherhrnet', 'ssf', 1.0),
        ('pipeline_higherhrnet_multiscale', 'ms', 0.5),
        ('pipeline_dekr', 'ssf', 1.0),
        ('pipeline_dekr_multiscale', 'ms', 1.0),
    ],
)
def test_short_side_inputs_are_the_reference_codes(golden, name, case, least):
    arrays = golden(name)
    image, size = arrays[f'{case}_image'], int(arrays[f'{case}_input_size'])
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for scale in arrays[f'{case}_scales'].tolist():
        placed = CentredAffine.short_side(image.shape[:2], size, scale, least)
        tensor = ((placed.resample(image) / 255 - mean) / deviation).transpose(2, 0, 1)
        expected = arrays[f'{case}_x{scale:g}_tensor_every4']
        # One grey level for a few pixels on another version of OpenCV.
        assert tensor[:, ::4, ::4] == pytest.approx(expected, abs=2e-2)
        assert np.abs(tensor[:, ::4, ::4] - expected).mean() < 1e-4


@pytest.mark.parametrize('case', ['a', 'b'])
def test_corner_inputs_are_the_reference_codes(golden, case):
    arrays = golden('pipeline_dekr_sg')
    image, size = arrays[f'{case}_image_bgr'], int(arrays[f'{case}_input_size'])
    raw = Letterbox.in_corner(image.shape[:2], (size, size)).resample(image)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    tensor = ((raw / 255 - mean) / deviation).transpose(2, 0, 1)
    assert tensor[:, ::4, ::4] == pytest.approx(arrays[f'{case}_tensor_every4'], abs=2e-5)
