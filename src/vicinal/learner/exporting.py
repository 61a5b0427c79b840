"""The Learner's methods that describe it: to a file, and to its user."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner
    from vicinal.learner.summary import Summary


class Exporting:
    """Write a file to predict with elsewhere, and describe the network layer by layer."""

    def export(self, fname: str | Path = "export.safetensors") -> Path:
        """Write a file to predict with elsewhere, which :func:`load_learner` reads.

        It holds the weights, how the network is made, what validation does to a sample, the names
        of the classes and the loss function, as safetensors and JSON: nothing in it can run code.
        What is for training alone (data, metrics, callbacks, optimizer) is not in it. A line is
        printed for each thing that the file cannot hold: how a network of your own is made, or a
        loss function or a splitter of your own.

        Args:
            fname: the file, below ``learn.path``. It always ends with ``.safetensors``, which
                replaces ``.pkl`` and ``.pth``.

        Returns:
            The file.

        Raises:
            VicinalError: it cannot be written, the data are of a kind that cannot be described, or
                code has changed the network so that a loaded one would predict something else.

        >>> import torch
        >>> from tempfile import mkdtemp
        >>> from vicinal import DataLoaders, Learner, create_model, load_learner
        >>> x, y = torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8), torch.arange(8) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=4, vocab=["cat", "dog"], device="cpu")
        >>> learn = Learner(dls, create_model("resnet9", dls.c), path=mkdtemp())
        >>> loaded = load_learner(learn.export())
        >>> loaded.predict(x[0])[0] == learn.predict(x[0])[0]
        True
        """
        from vicinal.learner.export import export

        return export(cast("Learner", self), fname)

    def summary(self) -> "Summary":
        """The layers of the network with their output shapes and numbers of parameters, as text.

        One batch of the validation part is sent through it, in evaluation mode.

        Raises:
            VicinalError: the learner was loaded from a file, and so has no batch.

        >>> import torch
        >>> from vicinal import DataLoaders, Learner
        >>> x, y = torch.randn(20, 4), torch.arange(20) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
        >>> Learner(dls, model).summary()
        Sequential, for a batch of shape (20, 4)
        <BLANKLINE>
        layer   kind    output   parameters  trained
        0       Linear  (20, 8)          40      all
        1       Linear  (20, 2)          18      all
        <BLANKLINE>
        parameters: 58, of which all trained
        loss function: CrossEntropyLossFlat
        """
        from vicinal.learner.summary import summary

        return summary(cast("Learner", self))
