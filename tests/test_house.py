"""The rules of the house that code can check: which way imports run, sizes, and words."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import vicinal
from vicinal.kinds import KINDS

SRC = Path(vicinal.__file__).parent
REPOSITORY = Path(__file__).parent.parent

# A level a line, the highest first: a room (a module or package directly in vicinal/) imports only
# from lines below its own. To add a room, write its name where its imports allow it, as high as
# they require and no higher.
LEVELS = """
    __main__
    cli
    study
    runs export
    tasks
    recipes integrations
    learner
    models bench all
    data
    plots
    batches
    entries
    activations
    losses
    mixed
    dice_loss
    criteria metrics rescaling scores
    known_losses
    cross_entropy rows detection
    rehearsal
    mixing
    files stored
    mixes
    methods kinds
    method_settings
    progress absent
    rng errors notebook memory processes stopping formatting
"""
# A function's import runs downwards, too: it delays the cost of a heavy package, not the order.
# (importing room, imported room): why this one runs upwards.
UPWARD_IMPORTS = {
    ("kinds", "data"): "annotations alone; the table names what lies above it by strings",
}

MAX_FILE, MAX_BODY = 400, 50  # lines

# What the field calls otherwise, each with the word to use instead.
CONDEMNED = {
    r"(?<![A-Za-z])(lay|lays|laid|laying)(?![A-Za-z])(?! out)": "apply",
    r"\bat_hand\b": "are_plain_cpu_tensors",
    r"\b[Ww]ish(es|ed)?\b": "TrainOptions, options; requested",
    r"\b[Uu]nit(e|es|ed|ing)\b": "maximum, Maximum",
    r"\bas_before\b": "merged_with",
    r"\bRefused\b": "Unsupported",
    r"\b(is_learnt|_LOOKING)\b": "reached_loss, _METADATA_ONLY",
    r"\blet_workers_go\b": "shut down workers",
    r"\b_as_it_is\b": "an identity collate function",
    r"\b(himself|herself)\b": "no fixed points",
    r"(?<!\")\broads?\b": "implementation, path",  # but for a class of Cityscapes
    r"\b(draw_from_pool|for_targets|reads_targets|needs_masks)\b": "complete",
    r"\bTeller\b": "logger",
}


def level_of_rooms():
    lines = LEVELS.split("\n")
    return {room: level for level, line in enumerate(lines) for room in line.split()}


def room_of(file):
    return file.relative_to(SRC).parts[0].removesuffix(".py")


def rooms_imported(tree):
    """The rooms that a module imports from anywhere in it, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole module, not a relative one"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            if package == "vicinal" and rest:
                # A public name, as of `from vicinal import MixUp`, stands for its home.
                yield vicinal._HOME.get(rest[0], name).split(".")[1]


@cache
def modules():
    files = [file for file in sorted(SRC.rglob("*.py")) if file != SRC / "__init__.py"]
    return [(file, ast.parse(file.read_text())) for file in files]


def test_no_file_of_mixing_knows_what_kind_of_data_it_mixes():
    """They know tensors: none reads the table of kinds, and none is there for one of them."""
    words = {name.split()[0] for name in KINDS}  # columns are of any tensor
    words |= {word.removesuffix("s") for word in words}
    found = 0
    for file, tree in modules():
        if room_of(file) == "mixing":
            found += 1
            assert not {"kinds", "methods", "mixes", "data"} & set(rooms_imported(tree)), file
            assert file.stem not in words, file
    assert found > 50


def test_imports_are_found_wherever_they_are():
    code = """
import torch, vicinal, vicinal.study.compare
from vicinal import runs, MixUp
if True:
    from vicinal.data import loaders
def function():
    import vicinal.plots as p
    class Inner:
        from vicinal.bench.cases import Row
"""
    found = sorted(rooms_imported(ast.parse(code)))
    assert found == ["bench", "data", "mixing", "plots", "runs", "study"]


def test_every_room_has_a_level_and_every_level_is_of_a_room():
    rooms = {room_of(file) for file, _ in modules()}
    assert rooms == set(level_of_rooms()), "name new rooms in LEVELS, and no others"


def test_imports_run_downwards():
    levels, wrong = level_of_rooms(), set()
    for file, tree in modules():
        room = room_of(file)
        for imported in rooms_imported(tree):
            is_own = imported in (room, "__version__")
            if not is_own and levels[imported] <= levels[room]:
                wrong.add((room, imported))
    assert wrong == set(UPWARD_IMPORTS)


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("mixing", {"mixing", "rng", "errors", "notebook"}),
        (
            "integrations",
            {"integrations", "batches", "entries", "errors", "mixed", "mixing", "rng"},
        ),
    ],
)
def test_rooms_that_need_little_of_the_package(room, allowed):
    """Mixing needs torch alone; an integration needs mixing and its trainer."""
    for file, tree in modules():
        if room_of(file) == room:
            assert set(rooms_imported(tree)) <= allowed, file


def body_lines(function):
    """How many lines the body of a function has, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_a_body_is_counted_without_its_docstring():
    (function,) = ast.parse('def f():\n    """One.\n\n    Two."""\n    a = (\n    1)\n').body
    assert body_lines(function) == 2
    (function,) = ast.parse('def f():\n    """Only this."""').body
    assert body_lines(function) == 0


def test_files_and_functions_fit_on_few_screens():
    long_files, long_bodies = set(), set()
    for file, tree in modules():
        name = file.relative_to(SRC).as_posix()
        if len(file.read_text().splitlines()) > MAX_FILE:
            long_files.add(name)
        for node in ast.walk(tree):
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and body_lines(node) > MAX_BODY:
                long_bodies.add(f"{name}: {node.name}")
    assert not long_files
    assert not long_bodies


@pytest.mark.parametrize("pattern", CONDEMNED)
def test_condemned_words_do_not_come_back(pattern):
    texts = [file for folder in (SRC, REPOSITORY / "docs") for file in folder.rglob("*")]
    found = [
        f"{file.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for file in [*texts, REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
        if file.suffix in (".py", ".pyi", ".md", ".ipynb", ".j2", ".js", ".css")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, f"write {CONDEMNED[pattern]}"
