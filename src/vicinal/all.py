"""What ``from fastai.vision.all import *`` brings: ``from vicinal.all import *``.

Every public name, and in place of pathlib's ``Path`` the one with ``ls()``, which the star import
of :mod:`vicinal` leaves alone.

>>> from vicinal.all import *
>>> Path("images") / "pug_7.jpg", MixUp(0.4).alpha
(Path('images/pug_7.jpg'), 0.4)
"""

from typing import Any

import vicinal
from vicinal.data.paths import Path

__all__ = [*vicinal.__all__, "Path"]


def __getattr__(name: str) -> Any:
    return getattr(vicinal, name)
