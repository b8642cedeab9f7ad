"""Build the message packages beside this file from their definitions, as a ROS distribution would ship them.

`python build.py FOLDER` builds into FOLDER/install, needing a C++ compiler, Python's headers and the packages of
requirements/pins.txt. What is built already is left alone, and of several processes one builds and the others wait.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PREFIX = Path(sys.prefix)
DEPENDENCIES = {'hri_msgs': ('std_msgs',), 'vision_msgs': ('std_msgs', 'geometry_msgs')}

PACKAGE_XML = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>0.0.0</version>
  <description>Built for tests</description>
  <maintainer email="maintainers@example.org">maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  {depends}
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
CMAKE_LISTS = """cmake_minimum_required(VERSION 3.20)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{finds}
file(GLOB messages RELATIVE ${{CMAKE_CURRENT_SOURCE_DIR}} msg/*.msg)
rosidl_generate_interfaces(${{PROJECT_NAME}} ${{messages}} DEPENDENCIES {depends})
ament_package()
"""


def write_packages(source: Path) -> None:
    """Write each package as colcon wants it: definitions, package.xml and CMakeLists.txt."""
    for name, depends in DEPENDENCIES.items():
        shutil.copytree(HERE / name, source / name)
        tags = '\n  '.join(f'<depend>{depend}</depend>' for depend in depends)
        finds = '\n'.join(f'find_package({depend} REQUIRED)' for depend in depends)
        (source / name / 'package.xml').write_text(PACKAGE_XML.format(name=name, depends=tags))
        (source / name / 'CMakeLists.txt').write_text(
            CMAKE_LISTS.format(name=name, finds=finds, depends=' '.join(depends))
        )


def write_underlay(underlay: Path) -> None:
    """Make a view of the installed ROS wheels whose CMake files name this machine's headers, not their builder's."""
    underlay.mkdir()
    for folder in ('include', 'lib', 'bin'):
        (underlay / folder).symlink_to(PREFIX / folder)
    shutil.copytree(PREFIX / 'share', underlay / 'share', symlinks=True)
    for file in underlay.glob('share/*/cmake/*_pyExport.cmake'):
        text = re.sub(r'/opt/python/[^;"]*/numpy/_core/include', np.get_include(), file.read_text())
        file.write_text(re.sub(r'/opt/python/[^;"]*/include/python3[.\d]*', sysconfig.get_path('include'), text))


def build(folder: Path) -> None:
    """Build both packages in `folder`; raises CalledProcessError with what the compiler said."""
    write_packages(folder / 'src')
    write_underlay(folder / 'underlay')
    inherited = ('AMENT', 'COLCON', 'CMAKE', 'PYTHON', 'PYTEST')
    environment = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    environment['PATH'] = f'{PREFIX}/bin{os.pathsep}{environment["PATH"]}'
    environment['AMENT_PREFIX_PATH'] = environment['CMAKE_PREFIX_PATH'] = str(folder / 'underlay')
    command = [
        'colcon',
        'build',
        '--base-paths',
        'src',
        '--merge-install',
        '--event-handlers',
        'console_direct+',
        '--cmake-args',
    ]
    options = [f'-DPython3_EXECUTABLE={sys.executable}', '-DBUILD_TESTING=OFF', '-DCMAKE_INSTALL_RPATH=$ORIGIN']
    subprocess.run([*command, *options, '-DCMAKE_BUILD_TYPE=Debug'], cwd=folder, env=environment, check=True)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / 'complete').exists():
            return
        for part in ('src', 'underlay', 'build', 'install', 'log'):
            shutil.rmtree(folder / part, ignore_errors=True)
        build(folder)
        (folder / 'complete').touch()


if __name__ == '__main__':
    main()
