"""DataSplit: what every kind of data is to a trainer and to a study."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from torch import Tensor

from vicinal.data.summary import Summary, summary_of

if TYPE_CHECKING:
    from vicinal.data.samples import Samples

TargetsAre = Literal["classes", "values", "labels", "pixels"]


class DataSplit(ABC):
    """A training part, a validation part, and what can be done with them.

    Attributes:
        kind: the name of its entry in :data:`vicinal.kinds.KINDS`.
        train, valid: the two parts; they have a length.
        vocab: the names of the classes; None for values.
        several: whether each sample has any number of them.
        notes: what was found and chosen on the way, each a line ``"name: text"`` for the user.
    """

    kind: ClassVar[str]
    train: Any
    valid: Any
    vocab: list[str] | None
    several: bool = False
    notes: list[str]

    @property
    def targets_are(self) -> TargetsAre:
        """``"classes"``, one of each sample; ``"labels"``, any number; ``"values"``; or masks."""
        if self.vocab is None:
            return "values"
        return "labels" if self.several else "classes"

    @property
    @abstractmethod
    def targets(self) -> Tensor:
        """The training targets.

        (N,) int64 class indices, (N, 1) float64 values, or (N, L) float32 zeros and ones of labels.

        Raises:
            VicinalError: they are not known before the data are read.
        """

    @abstractmethod
    def subset(self, rows: Tensor) -> Self:
        """The same data with some of the training samples.

        Args:
            rows: (M,) int64, their indices.

        Raises:
            VicinalError: samples of such data cannot be picked.
        """

    @abstractmethod
    def relabelled(self, targets: Tensor) -> Self:
        """The same data with other training targets.

        Args:
            targets: of the same shape and dtype as :attr:`targets`.

        Raises:
            VicinalError: such data cannot be given other targets.
        """

    def summary(self) -> Summary:
        """What was found, to be read before anything is trained: ``print`` it."""
        return summary_of(self, {"training": self.targets})

    def preview(self) -> "Samples | None":
        """Training images to look at; None where the data are not images."""
        return None
