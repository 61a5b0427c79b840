"""fastai's names for recommendations, of which there are none here, and what serves instead."""

from typing import Any, Never

from vicinal.errors import VicinalError

INSTEAD = (
    "recommendations by factors are not here: give TabularDataLoaders.from_df(ratings, "
    "cat_names=['user', 'title'], cont_names=[], procs=[Categorify], y_names='rating', "
    "y_block=RegressionBlock()) and tabular_learner(dls, y_range=(0, 5.5)), the network of "
    "collab_learner(use_nn=True)"
)


class CollabDataLoaders:
    """The name of fastai's loaders of ratings; its methods say what to give instead."""

    @classmethod
    def from_df(cls, *args: Any, **kwargs: Any) -> Never:
        raise VicinalError(INSTEAD)

    from_csv = from_df


def collab_learner(*args: Any, **kwargs: Any) -> Never:
    """The name of fastai's function; calling it says what to give instead."""
    raise VicinalError(INSTEAD)
