"""Object detection: mixers of images with boxes, masks and keypoints.

Each draws a :class:`Scene` for an image, which says what is placed where; what becomes of pixels
and of objects follows from the scene, for all mixers alike.
"""

from vicinal.detection.copypaste import CopyPaste
from vicinal.detection.cutmix import DetectionCutMix
from vicinal.detection.form import DetectionMixer
from vicinal.detection.mix import DetectionMix
from vicinal.detection.mixup import DetectionMixUp
from vicinal.detection.mosaic import Mosaic

__all__ = [
    "CopyPaste",
    "DetectionCutMix",
    "DetectionMix",
    "DetectionMixUp",
    "DetectionMixer",
    "Mosaic",
]
