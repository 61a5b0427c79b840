from vicinal import *  # noqa: F403
from vicinal.data.paths import Path as Path
