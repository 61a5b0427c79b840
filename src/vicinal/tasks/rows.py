"""What training on rows of tables and on texts have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pandas.util import hash_pandas_object
from torch import Tensor, nn

from vicinal.data.loaders import DataLoaders
from vicinal.data.rows import Rows, RowSplit
from vicinal.data.split_loader import Batches
from vicinal.learner.learner import Learner
from vicinal.models.rescale import ScaledMSELoss
from vicinal.tasks.predictor import Preprocessing
from vicinal.tasks.several_labels import add_union, criterion, of_several
from vicinal.tasks.task import Task


class RowLoaders(DataLoaders):
    """Batches of rows or texts; new samples are preprocessed as by ``vicinal predict``."""

    preparation: Preprocessing

    def stack(self, items: Sequence[Any]) -> Any:
        return self.preparation.batch(list(items))


class RowTask(Task):
    """Train a network on rows of a table."""

    split: RowSplit
    preparation: Preprocessing
    loaders_type: ClassVar[Any] = RowLoaders

    def _identity(self) -> list[Any]:
        kinds, parts = self.split.kinds, (self.split.train, self.split.valid)
        read = [*kinds.numeric, *kinds.categorical, *kinds.text]
        hashed = [hash_pandas_object(part.frame[read], index=False) for part in parts]
        # Values in float32, as earlier versions read them: their runs can be resumed.
        targets = [(part.y.float() if self.split.scale else part.y).tolist() for part in parts]
        return [*targets, *(each.tolist() for each in hashed)]

    def _part_targets(self, part: Rows) -> Tensor:
        """The targets of a part, which are float64 where they are values, if the device can."""
        return part.y.float() if self.split.scale and self.device.type == "mps" else part.y

    def learner(self) -> Learner:
        (train_data, valid_data), device, seed = self._parts(), self.device, self.options.seed
        train = Batches(train_data, self.batch_size, training=True, seed=seed, device=device)
        valid = Batches(valid_data, 2 * self.batch_size, device=device)
        dls = self.loaders_type(train, valid, self.split.vocab, self.preparation.n_out)
        dls.preparation = self.preparation
        of_several(dls, self.split)
        scale = self.split.scale
        learn = Learner(
            dls,
            self._network(),
            ScaledMSELoss(scale[1]) if scale else criterion(self.loss),
            metrics=self.metric,
            precision=self.precision,
            compile=self.options.compile,
        )
        add_union(learn, self.options.spec)
        return learn

    def count_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._network().parameters())

    def preprocessing(self, learn: Learner) -> Preprocessing:
        return replace(self.preparation, threshold=self.threshold)

    @abstractmethod
    def _parts(self) -> tuple[Any, Any]:
        """Data sets that give batches for lists of indices, for training and validation."""

    @abstractmethod
    def _network(self) -> nn.Module:
        """The network, before it is trained."""
