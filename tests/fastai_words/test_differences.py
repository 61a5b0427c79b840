"""The table of differences: each row is so, and the page has all of them."""

import differences  # noqa: F401
import differences_elsewhere  # noqa: F401
import differences_of_data  # noqa: F401
import differences_of_results  # noqa: F401
import pytest
from rows import PAGE, ROWS, written

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("row", ROWS, ids=[row.words for row in ROWS])
def test_a_row_is_so(row):
    row.check()


def test_the_page_has_the_table():
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "write it anew: python -m tests.fastai_words"
