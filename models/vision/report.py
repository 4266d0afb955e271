"""Model card and figures of a version."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.vision.cropping import crop, saliency
from models.vision.evaluate import QualityCheck
from models.vision.faces import FaceDetector, anonymize
from models.vision.images import Pixels
from models.vision.networks import FACES
from models.vision.weights import SOURCES
from neighborconnect.contracts.vision import AnonymizationMethod

_DPI = 110


def plot_anonymization(networks: Mapping[str, bytes], pixels: Pixels) -> Figure:
    """Plot the detected faces of a picture, and the picture with faces blurred and pixelated."""
    detector = FaceDetector(networks[FACES])
    figure = Figure(figsize=(10, 3.6), layout="constrained", dpi=_DPI)
    detected, *anonymized = figure.subplots(1, 3)
    _show(detected, pixels, title="detected")
    for left, top, right, bottom, score in detector.find(pixels):
        detected.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="yellow", linewidth=2)
        )
        detected.text(left, top - 4, f"{score:.2f}", color="yellow")
    for axes, method in zip(anonymized, AnonymizationMethod, strict=True):
        _show(axes, anonymize(detector, pixels, method=method)[0], title=method.value)
    return figure


_SHAPES = ((320, 320), (180, 320), (320, 120))


def plot_crops(networks: Mapping[str, bytes], pixels: Pixels) -> Figure:
    """Plot a picture, its saliency map, and the crops of three aspect ratios."""
    faces = FaceDetector(networks[FACES]).find(pixels)
    figure = Figure(figsize=(12, 3.2), layout="constrained", dpi=_DPI)
    whole, energy, *cropped = figure.subplots(1, 2 + len(_SHAPES))
    _show(whole, pixels, title="whole")
    _show(energy, np.sqrt(saliency(pixels)), title="saliency")
    for axes, (width, height) in zip(cropped, _SHAPES, strict=True):
        left, top, right, bottom = crop(pixels, faces, width=width, height=height)
        _show(axes, pixels[top:bottom, left:right], title=f"{width} x {height}")
    return figure


def _show(axes: Axes, picture: np.ndarray, *, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title)
    axes.set_axis_off()


def model_card(check: QualityCheck, *, policy: str, fingerprint: str) -> str:
    """Return the model card in Markdown: use, networks, quality check, limits."""
    rows = "\n".join(
        f"| `{name}` | {source.network} | `{source.package}` {version(source.package)} | {source.license} "
        f"| {source.published} |"
        for name, source in SOURCES.items()
    )
    failures = check.failures
    return f"""# Vision models

**Use.** Detect and anonymize faces, crop to the salient part, label pictures, send pictures and videos that may not be
safe for work to a moderator, and detect shot boundaries. The models triage; people decide. Faces are neither recognized
nor compared.

**Networks** ({fingerprint}), none trained by this project, run by ONNX Runtime:

| file | network | package | license | published |
|---|---|---|---|---|
{rows}

**Policy.**

```toml
{policy.strip()}
```

**Quality check** on public pictures of scikit-image and scikit-learn, four crowds of 25 small faces (Labeled Faces in
the Wild, 25 pixels enlarged to 48), and clips synthesized from those pictures:

| measure | value |
|---|---|
| face recall | {check.faces_recall:.1%} |
| faces detected after anonymization | {check.residual_face_count} |
| safe-for-work pictures with an alarm | {check.nsfw_false_alarm_rate:.1%} (highest score {check.nsfw_highest:.2f}) |
| cuts detected at their exact frame | {check.cuts - check.missed_cuts} of {check.cuts} |
| false cuts | {check.false_cuts} |

**Gate: {"refused" if failures else "passed"}.** {"; ".join(failures)}

**Limits.** The recall of open_nsfw is not measured: there is no test set that we may store. It reflects one company's
labels of 2016, uses the center of a picture, and does not cover violence. Labels are sums over ImageNet's thousand
classes, whose accuracy on user pictures is not measured; people are counted by faces. Face recall by skin color, age or
dress is not measured: WIDER FACE, the training set of CenterFace, has no such labels. Dissolves between shots are
detected at their end.
"""
