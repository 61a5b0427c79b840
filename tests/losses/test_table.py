"""docs/losses.md says what the installed packages do, and nothing is wrong in silence."""

import pytest

from losses.page import SECTIONS, entries_of, heading, on_page, table, verdicts, version, zoo_of
from losses.verdict import ERROR, WRONG

# To import MONAI alone takes ten seconds, and the others compute for some seconds.
SLOW = ("of_monai", "of_kornia", "of_smp", "of_pml", "of_keras", "metrics_of_keras")


@pytest.fixture(
    params=[pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in SECTIONS]
)
def section(request):
    pytest.importorskip(zoo_of(request.param).MODULE)
    return request.param


def _is_other_version(section):
    return version(section) != on_page(section)[0]


@pytest.mark.slow
def test_the_page_says_what_is_found(section):
    page, found = on_page(section)[1], table(section)
    new = [f"+ {row}" for row in found if row not in page]
    gone = [f"- {row}" for row in page if row not in found]
    message = "\n".join([heading(section), *gone, *new])
    if (gone or new) and _is_other_version(section):
        pytest.skip(f"the page is of another version: {message}")
    assert page == found, f"run `python -m tests.losses`: {message}"


def test_every_public_loss_is_in_the_table(section):
    zoo = zoo_of(section)
    known = {entry.name for entry in entries_of(zoo)} | set(zoo.NOT_APPLICABLE)
    missing = zoo.public() - known
    message = f"{heading(section)} has no entry in tests/losses/zoo for {sorted(missing)}"
    if missing and _is_other_version(section):
        pytest.skip(message)
    assert not missing, message


def test_nothing_is_wrong_in_silence(section):
    wrong = {
        entry.shown: why for entry, found, why in verdicts(section) if {WRONG, ERROR} & set(found)
    }
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())
