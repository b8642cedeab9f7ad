"""The packages that tests build are the published ones: the type hashes are equal."""

import json

import pytest

PUBLISHED = {
    'hri_msgs/Skeleton2D': '1cb61f012db6ca43c48fa0097ccab9a00108ea39323c13f01bb983323c1e3420',
    'hri_msgs/IdsList': '7e0812d1ac945c98fd3e393568d581ad0ab567f37b24eff633eab778c1bfe62d',
    'hri_msgs/NormalizedRegionOfInterest2D': '2e50c93f1ca166ee77af9a5424dc951ae4e452b740162a7f83c082d917dcaff5',
    'hri_msgs/NormalizedPointOfInterest2D': 'cc1d2f720c82afeb850ff1dbf66f41ecb7caf19f842987f1247e66160cf03953',
    'vision_msgs/Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
}


@pytest.mark.slow
@pytest.mark.parametrize('name', PUBLISHED)
def test_type_hashes_are_the_published_ones(interfaces, name):
    package, kind = name.split('/')
    described = json.loads((interfaces.prefix / 'share' / package / 'msg' / f'{kind}.json').read_text())
    hashes = {one['type_name']: one['hash_string'] for one in described['type_hashes']}
    assert hashes[f'{package}/msg/{kind}'] == f'RIHS01_{PUBLISHED[name]}'
