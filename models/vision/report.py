"""What a person reads about a version: the model card and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.vision.cropping import crop, saliency
from models.vision.evaluate import Exam
from models.vision.faces import FaceDetector, hide
from models.vision.networks import FACES
from models.vision.pictures import Pixels
from models.vision.weights import SOURCES
from neighborconnect.contracts.vision import Hiding

_DPI = 110


def draw_hidden(networks: Mapping[str, bytes], pixels: Pixels) -> Figure:
    """Draw a picture with the faces that were found, and with them blurred and pixelated."""
    detector = FaceDetector(networks[FACES])
    figure = Figure(figsize=(10, 3.6), layout="constrained", dpi=_DPI)
    found, *hidden = figure.subplots(1, 3)
    _show(found, pixels, title="found")
    for left, top, right, bottom, score in detector.find(pixels):
        found.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="yellow", linewidth=2))
        found.text(left, top - 4, f"{score:.2f}", color="yellow")
    for axes, how in zip(hidden, Hiding, strict=True):
        _show(axes, hide(detector, pixels, how=how)[0], title=how.value)
    return figure


_SHAPES = ((320, 320), (180, 320), (320, 120))


def draw_crops(networks: Mapping[str, bytes], pixels: Pixels) -> Figure:
    """Draw a picture, what stands out in it, and the parts that thumbnails of three shapes show."""
    faces = FaceDetector(networks[FACES]).find(pixels)
    figure = Figure(figsize=(12, 3.2), layout="constrained", dpi=_DPI)
    whole, energy, *cropped = figure.subplots(1, 2 + len(_SHAPES))
    _show(whole, pixels, title="whole")
    _show(energy, np.sqrt(saliency(pixels)), title="what stands out")
    for axes, (width, height) in zip(cropped, _SHAPES, strict=True):
        left, top, right, bottom = crop(pixels, faces, width=width, height=height)
        _show(axes, pixels[top:bottom, left:right], title=f"{width} x {height}")
    return figure


def _show(axes: Axes, picture: np.ndarray, *, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title)
    axes.set_axis_off()


def model_card(exam: Exam, *, policy: str, fingerprint: str) -> str:
    """Write the model card in Markdown: use, networks, exam, limits."""
    rows = "\n".join(
        f"| `{name}` | {one.network} | `{one.package}` {version(one.package)} | {one.licence} | {one.published} |"
        for name, one in SOURCES.items()
    )
    faults = exam.faults
    return f"""# Vision models

**Use.** Find and hide faces, crop to what matters, say what is to be seen, send a picture or video that is perhaps
not for everybody to a moderator, and find where a video is cut. They sort; people decide. No face is recognised, and
none is compared with another.

**Networks** ({fingerprint}), none trained here, run by ONNX Runtime:

| file | network | package | licence | published |
|---|---|---|---|---|
{rows}

**Policy.**

```toml
{policy.strip()}
```

**Exam** on public pictures of scikit-image and scikit-learn, four crowds of 25 small faces (Labeled Faces in the
Wild, 25 pixels enlarged to 48), and clips joined of those pictures:

| what | figure |
|---|---|
| faces found | {exam.faces_recall:.1%} |
| hidden faces found again | {exam.faces_found_again} |
| ordinary pictures that raise an alarm | {exam.nsfw_false_alarms:.1%} (highest score {exam.nsfw_highest:.2f}) |
| cuts found at the very picture | {exam.cuts - exam.cuts_missed} of {exam.cuts} |
| cuts found where there is none | {exam.cuts_invented} |

**Gate: {"refused" if faults else "passed"}.** {"; ".join(faults)}

**Limits.** What open_nsfw misses is not measured: there is no set that we may keep. It was made by one company's
taste of 2016, sees the middle of a picture, and says nothing of violence. Labels are sums over ImageNet's thousand
classes, whose accuracy on neighbours' pictures is not measured; people are counted by their faces. Nobody has checked
faces by skin colour, age or dress: WIDER FACE, which CenterFace learnt from, names none of these. Dissolves between
shots are found at their end.
"""
