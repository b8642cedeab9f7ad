"""HRNet (Wang et al., 2019): branches at strides 4 to 32 that exchange features, with the published tensor names."""

from collections.abc import Sequence

from torch import Tensor, nn

from pose_estimation_ros.backbones.blocks import conv_bn_act, relu
from pose_estimation_ros.backbones.resnet import BasicBlock, Bottleneck

STEM_CHANNELS = 64
STEM_BLOCKS = 4
BLOCKS = 4
"""Of each branch of a module."""
MODULES = {2: 1, 3: 4, 4: 3}
"""Of each stage; a stage has as many branches as its number."""
BRANCHES = max(MODULES)
STRIDE = 4
"""Of the first branch; each further one has twice the stride of the one before."""
POSE_STD = 0.001
"""Of the weights that published pose networks start from, before ImageNet weights fill the trunk."""


def branch_channels(width: int) -> tuple[int, ...]:
    """Return the channels of each branch."""
    return tuple(width << branch for branch in range(BRANCHES))


class HRNet(nn.Module):
    """(N, 3, H, W) to maps of `branch_channels(width)` at strides 4, 8, 16 and 32; H and W are multiples of 32.

    `last_rows` is how many of them the last module makes: a system that uses the first alone has no layers for others.
    `stem_width` is 64 in all published networks.
    """

    def __init__(self, width: int = 32, stem_width: int = STEM_CHANNELS, last_rows: int = BRANCHES) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem_width, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.conv2 = nn.Conv2d(stem_width, stem_width, 3, 2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem_width)
        self.relu = relu()
        self.layer1 = _stem_blocks(stem_width)
        channels = branch_channels(width)
        self.transition1 = _first_transition(stem_width * Bottleneck.expansion, channels)
        self.stage2 = _stage(2, channels)
        self.transition2 = _new_branch(2, channels)
        self.stage3 = _stage(3, channels)
        self.transition3 = _new_branch(3, channels)
        self.stage4 = _stage(4, channels, last_rows)

    def branches(self, image: Tensor) -> list[Tensor]:
        """Return the maps of each branch, the finest first."""
        maps = self.relu(self.bn1(self.conv1(image)))  # (N, 64, H/2, W/2)
        maps = self.relu(self.bn2(self.conv2(maps)))  # (N, 64, H/4, W/4)
        maps = self.layer1(maps)  # (N, 256, H/4, W/4)
        branches = self.stage2([step(maps) for step in self.transition1.values()])
        branches = self.stage3([*branches, self.transition2['2'](branches[-1])])
        result: list[Tensor] = self.stage4([*branches, self.transition3['3'](branches[-1])])
        return result


class Exchange(nn.Module):
    """One module of a stage: blocks in each branch, then every branch is added to every other one."""

    def __init__(self, channels: Sequence[int], rows: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(count, count, 1) for _ in range(BLOCKS))) for count in channels
        )
        self.fuse_layers = nn.ModuleList(_fusions(row, channels) for row in range(rows))
        self.relu = relu()

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        maps = [blocks(each) for blocks, each in zip(self.branches, branches, strict=True)]
        return [self._fused(row, fusions, maps) for row, fusions in enumerate(self.fuse_layers)]

    def _fused(self, row: int, fusions: nn.Module, maps: list[Tensor]) -> Tensor:
        parts = [each if index == row else fusions.get_submodule(str(index))(each) for index, each in enumerate(maps)]
        summed = parts[0]
        for part in parts[1:]:
            summed = summed + part
        result: Tensor = self.relu(summed)
        return result


def initialise_pose_network(network: nn.Module) -> None:
    """Fill a network as the published pose trainings do: small normal weights, zero biases, plain batch norms."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=POSE_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def _stem_blocks(channels: int) -> nn.Sequential:
    outputs = channels * Bottleneck.expansion
    return nn.Sequential(
        *(Bottleneck(outputs if block else channels, channels, stride=1) for block in range(STEM_BLOCKS))
    )


def _first_transition(inputs: int, channels: Sequence[int]) -> nn.ModuleDict:
    """Return the steps from the stem to both branches of stage 2; the published one to a new branch is nested."""
    return nn.ModuleDict(
        {'0': conv_bn_act(inputs, channels[0]), '1': nn.Sequential(conv_bn_act(inputs, channels[1], stride=2))}
    )


def _new_branch(index: int, channels: Sequence[int]) -> nn.ModuleDict:
    """Return the step to a new branch under its index, since a published list has nothing for the others."""
    return nn.ModuleDict({str(index): nn.Sequential(conv_bn_act(channels[index - 1], channels[index], stride=2))})


def _stage(branches: int, channels: Sequence[int], last_rows: int = BRANCHES) -> nn.Sequential:
    count = MODULES[branches]
    rows = [branches] * (count - 1) + [min(branches, last_rows)]
    return nn.Sequential(*(Exchange(channels[:branches], each) for each in rows))


def _fusions(row: int, channels: Sequence[int]) -> nn.ModuleDict:
    """Return what brings each other branch to the shape of one."""
    others = (index for index in range(len(channels)) if index != row)
    return nn.ModuleDict(
        {
            str(index): _enlarging(index, row, channels) if index > row else _reducing(index, row, channels)
            for index in others
        }
    )


def _enlarging(source: int, target: int, channels: Sequence[int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels[source], channels[target], 1, bias=False),
        nn.BatchNorm2d(channels[target]),
        nn.Upsample(scale_factor=2 ** (source - target), mode='nearest'),
    )


def _reducing(source: int, target: int, channels: Sequence[int]) -> nn.Sequential:
    """Return convolutions that halve the sides; the last alone changes the channels and has no ReLU."""
    steps = [conv_bn_act(channels[source], channels[source], stride=2) for _ in range(target - source - 1)]
    last = nn.Sequential(
        nn.Conv2d(channels[source], channels[target], 3, 2, padding=1, bias=False), nn.BatchNorm2d(channels[target])
    )
    return nn.Sequential(*steps, last)
