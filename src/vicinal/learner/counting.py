"""A bar for what a Learner does with batches outside of a training."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vicinal.progress import progress_bar

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


@contextmanager
def counting(
    learn: "Learner", text: str, total: int
) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """Show a bar that counts batches, unless the learner is to show none.

    Args:
        text: what is being done.
        total: the number of batches.

    Yields:
        A function from batches to the same batches, which are counted when they have been used.
    """
    bar = progress_bar()
    bar.disable |= not (learn.is_logging and getattr(learn, "shows_bar", True))
    with bar:
        task = bar.add_task(text, total=total)

        def counted(batches: Iterable[Any]) -> Iterator[Any]:
            for batch in batches:
                yield batch
                bar.advance(task)

        yield counted
