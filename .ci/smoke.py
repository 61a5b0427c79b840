"""Use the installed package of a folder: what it must bring, and what torch alone gives."""

import importlib.abc
import sys
import warnings
from pathlib import Path

folder = Path(sys.argv[1]).resolve() / "vicinal"
WITH_IT = ["py.typed", "__init__.pyi", "study/page/report.html.j2", "study/page/board.js"]
EXTRAS = {"accelerate", "datasets", "matplotlib", "numba", "pandas", "PIL", "rich", "sklearn"}
EXTRAS |= {"scipy", "timm", "torchvision", "transformers", "typer"}


class NoExtras(importlib.abc.MetaPathFinder):
    """As where torch alone is installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


missing = [name for name in WITH_IT if not (folder / name).is_file()]
assert not missing, f"the wheel lacks {missing}"
assert list((folder / "recipes").glob("*.py")), "the wheel lacks the recipes"

finder = NoExtras()
sys.meta_path.insert(0, finder)
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    from vicinal import *  # noqa: F403
assert Path(sys.modules["vicinal"].__file__).parent == folder
assert [warning for warning in heard if "vicinal[train]" in str(warning.message)], heard
x, y = MixUp(0.4, seed=0)(torch.rand(8, 3, 8, 8), torch.arange(8))  # noqa: F405
loss = MixLoss(nn.CrossEntropyLoss())(torch.zeros(8, 10), y)  # noqa: F405
assert round(loss.item(), 4) == 2.3026
assert "Learner" not in globals()

sys.meta_path.remove(finder)
import vicinal  # noqa: E402
from vicinal.cli import run  # noqa: E402

assert vicinal.Learner
assert run(["--help"]) in (0, None)
print("the wheel brings what it must, and works with torch alone")
