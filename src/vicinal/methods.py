"""The registry of the mixing methods that ``--mix`` accepts, and of their settings.

``--help``, the mixers of a training, the mixing board and the tables in the docs follow from it.
Classes are named and not imported, because ``--help`` must not load torch. How methods are written
and read is in :mod:`vicinal.mixes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from vicinal.formatting import join_and
from vicinal.method_settings import Setting

INPUT: tuple[str, ...] = ()  # applied to the input itself, not to a layer
OTHERS = "other kinds"  # of data, which have no entry of their own
NONE = "none"
#: What a sample costs where the network also looks at it: a forward pass is a third of a step.
LOOK = 4 / 3
#: And where gradients with regard to the input are computed, too, which take as long again.
LOOK_BACK = 5 / 3
Targets = Literal["classes", "values", "labels", "pixels"]


@dataclass(frozen=True)
class MethodEntry:
    """One method of mixing.

    Args:
        name: what ``--mix`` takes.
        factory: the name of its class, which has a file in ``vicinal.mixing.methods``.
        summary: what it does, for the help.
        layers: for each kind of data that it serves, the layers of the network that it may be
            applied to, of which each batch takes one at random; :data:`INPUT` is the input itself.
            :data:`OTHERS` is for all kinds that are not named, and None for one that it does not
            serve.
        alpha: its strength where none is given; None for a method without one.
        targets: the only targets that it serves, if it does not serve both.
        maximum: for a kind of data, the part of a batch that becomes the elementwise maximum of
            both samples', such as their masks.
        learned: the argument of its class that is computed from the training targets, or of the
            data.
        compared: whether ``vicinal compare`` tries it where the user names no methods.
        on_board: whether the mixing board can show it.
        settings: what can be set beside alpha.
        chooses_partners: whether it chooses them by the batch, so that they form no pairs.
        callback: for a method that is more than a mixer, where the callback is, as
            ``"module:class"``. It is called with the mixer and the settings of its own.
        passes: how many samples pass through the network for each of a batch, counted in steps of
            the training; see :data:`LOOK` and :data:`LOOK_BACK`.
        to_the_end: whether it has to mix in the whole training.
        of_whole_batches: whether it mixes each batch as a whole, and every one.
    """

    name: str
    factory: str
    summary: str
    layers: Mapping[str, tuple[str, ...] | None]
    alpha: float | None = None
    targets: Targets | None = None
    maximum: Mapping[str, str] = field(default_factory=dict)
    learned: Literal["counts", "bandwidth", "rate", "importance", "num_classes"] | None = None
    compared: bool = False
    on_board: bool = False
    settings: tuple[Setting, ...] = ()
    chooses_partners: bool = False
    callback: str | None = None
    passes: float = 1
    to_the_end: bool = False
    of_whole_batches: bool = False

    @property
    def mixer(self) -> Any:
        """Its class, a subclass of :class:`Mixer`."""
        file = import_module(f"vicinal.mixing.methods.{self.factory.lower()}")
        return getattr(file, self.factory)

    @property
    def callback_type(self) -> Any:
        """The class of its callback; None for a method that is a mixer alone."""
        module, _, name = (self.callback or "").partition(":")
        return getattr(import_module(module), name) if name else None

    @property
    def why_by_shares(self) -> str | None:
        """Why its targets are nothing but shares, and it takes no turns; None where it does.

        >>> METHODS["zetamixup"].why_by_shares
        'blends all samples of a batch'
        """
        if self.callback:
            return "has a loss of its own"
        blends_all = self.of_whole_batches or self.learned == "num_classes"
        return self.summary if blends_all else None

    def layers_for(self, kind: str) -> tuple[str, ...] | None:
        """The layers that it is applied to for a kind of data; None where it does not serve it.

        >>> METHODS["cutmix"].layers_for("images"), METHODS["cutmix"].layers_for("texts")
        ((), None)
        """
        return self.layers[kind] if kind in self.layers else self.layers.get(OTHERS)


_IMAGES = {"images": INPUT, "masks": INPUT}
_PLANES = {**_IMAGES, "sounds": INPUT}  # of which spectrograms are mixed
# Categories and words have no meaning halfway between two of them, so they are mixed as vectors.
_BESIDE = {"texts beside columns": ("inputs",), "images beside columns": ("inputs",)}
_EMBEDDED = {"rows": ("inputs",), "texts": ("embedding",), **_BESIDE}
_ANY = {**_EMBEDDED, **_IMAGES, OTHERS: INPUT}
_ANY_BUT_MASKS: dict[str, tuple[str, ...] | None] = {**_ANY, "masks": None}  # by one class each
_MASK = {"texts": "mask", "texts beside columns": "mask"}
_HIDDEN = {
    "images": ("input",),  # and the first half of the network's own layers
    "rows": ("inputs", "hidden.*"),
    "series": ("input", "block1", "block2"),
    "texts": ("sentence",),
    "texts beside columns": ("scores",),
    "images beside columns": ("inputs", "scores"),
    "sounds": ("spectrogram",),  # and the first half of the network's own layers
}

METHODS: dict[str, MethodEntry] = {
    method.name: method
    for method in (
        MethodEntry(
            "mixup", "MixUp", "blends both samples",
            _ANY, alpha=0.4, maximum=_MASK, compared=True, on_board=True,
        ),
        MethodEntry(
            "manifoldmixup", "MixUp", "mixup of the activations of a random layer",
            _HIDDEN, alpha=2.0,
        ),
        MethodEntry(
            "alignmix", "AlignMix", "blends feature maps of the network that it has aligned",
            {"images": ("last but one",)}, alpha=2.0,  # of the network's own stages
        ),
        MethodEntry(
            "regmixup", "MixUp", "adds the loss of the plain batch to that of mixup",
            _ANY, alpha=10.0, maximum=_MASK, passes=2,
            callback="vicinal.learner.regmixup:RegMixUp",
            settings=(Setting("eta", "the weight of the mixed loss", 1.0, to="callback"),),
        ),
        MethodEntry(
            "mixupmp", "MixUp", "regmixup with uniform weights, for ensembles",
            _ANY, alpha=1.0, maximum=_MASK, passes=2,
            callback="vicinal.learner.regmixup:MixUpMP",
            settings=(
                Setting("r", "the ratio of mixed to clean samples in the loss", 1.0, to="callback"),
            ),
        ),
        MethodEntry(
            "rescaledmixup", "MixUp", "mixup whose predictions are rescaled",
            {"images": INPUT}, alpha=0.4, targets="classes", to_the_end=True,
            callback="vicinal.learner.rescaledmixup:RescaledMixUp",
        ),
        MethodEntry(
            "kernelmixup", "KernelMixUp", "mixup, stronger between similar samples",
            {"images": INPUT, "rows": ("inputs",), "series": INPUT},
            settings=(
                Setting("tau_max", "the strength at the mean distance", 1.0),
                Setting("tau_std", "how far it reaches", 0.25, above=True),
            ),
        ),
        MethodEntry(
            "kmixup", "KMixUp", "mixup of similar samples, matched by their distances",
            {"images": INPUT, "rows": ("inputs",), "series": INPUT}, alpha=1.0,
            chooses_partners=True,
            settings=(
                Setting("k", "the samples in a group that is matched", 16, low=1, kind="whole"),
            ),
        ),
        MethodEntry(
            "zetamixup", "ZetaMixUp", "blends all samples of a batch",
            {"images": INPUT, "series": INPUT}, learned="num_classes", chooses_partners=True,
            settings=(Setting("gamma", "how fast the weights of the others fall", 2.8),),
        ),
        MethodEntry(
            "multimix", "MultiMix", "blends all samples of a batch, many times, at the last layer",
            {**dict.fromkeys((*_BESIDE, "masks")), OTHERS: INPUT},  # whose last layers are several
            chooses_partners=True, of_whole_batches=True, to_the_end=True,
            settings=(Setting("n", "how many blends", 1000, low=1, kind="whole"),),
        ),
        MethodEntry(
            "remix", "Remix", "mixup that labels in favour of rare classes",
            _ANY_BUT_MASKS, alpha=1.0, targets="classes", maximum=_MASK, learned="counts",
            settings=(
                Setting("kappa", "how many times larger a class counts as much larger", 3.0, low=1),
                Setting("tau", "the share below which its label is dropped", 0.5, high=1),
            ),
        ),
        MethodEntry(
            "balancedmixup", "BalancedMixUp", "mixup with partners drawn evenly from the classes",
            _ANY_BUT_MASKS, alpha=0.2, targets="classes", maximum=_MASK, chooses_partners=True,
        ),
        MethodEntry(
            "cmixup", "CMixUp", "mixup of samples with similar values",
            {**_EMBEDDED, "images beside columns": None, "series": INPUT}, alpha=2.0,
            targets="values", maximum=_MASK,
            learned="bandwidth",
            compared=True, chooses_partners=True,
            settings=(
                Setting("bandwidth", "how near, in the unit of the values", None, above=True),
            ),
        ),
        MethodEntry(
            "columnmix", "ColumnMix", "swaps columns", {"rows": INPUT}, alpha=1.0,
            settings=(
                Setting("keep", "the share of columns of every row, in place of alpha", None,
                        high=1, replaces_alpha=True),
            ),
        ),
        MethodEntry(
            "featmix", "FeatMix", "swaps columns, and shares the target by what they say about it",
            {"rows": INPUT}, alpha=0.5, learned="importance",
        ),
        MethodEntry(
            "hidmix", "HidMix", "swaps dimensions of what the network computes",
            {"rows": ("inputs",)}, alpha=0.5,
        ),
        MethodEntry(
            "cutmix", "CutMix", "pastes a box of the partner",
            {**_PLANES, "series": INPUT}, alpha=1.0, compared=True, on_board=True,
            settings=(
                Setting("minmax", "the smallest and largest side of the box, in place of alpha",
                        None, high=1, kind="pair", replaces_alpha=True),
            ),
        ),
        MethodEntry(
            "saliencymix", "SaliencyMix", "pastes a box where the partner is most salient",
            _IMAGES, alpha=1.0,
        ),
        MethodEntry(
            "guidedmixup", "GuidedMixUp", "blends each pixel by the saliency of both",
            {"images": INPUT}, chooses_partners=True,
        ),
        MethodEntry(
            "resizemix", "ResizeMix", "pastes the whole partner, shrunk", _PLANES,
            settings=(
                Setting("scope", "its smallest and largest side", (0.1, 0.8), high=1, kind="pair"),
                Setting("place", "where it is pasted", "random", kind="word",
                        words=("random", "plain", "salient")),
            ),
        ),
        MethodEntry(
            "fmix", "FMix", "pastes an irregular region of the partner", _PLANES, alpha=1.0,
            settings=(Setting("decay", "how smooth the region is", 3.0),),
        ),
        MethodEntry(
            "gridmix", "GridMix", "pastes cells of a grid", _PLANES, alpha=1.0,
            settings=(Setting("cells", "along each side", 4, low=1, kind="whole"),),
        ),
        MethodEntry(
            "smoothmix", "SmoothMix", "blends in a soft spot of the partner", _PLANES,
            settings=(
                Setting("sigma", "the smallest and largest size of the spot", (0.25, 0.5), high=1,
                        kind="pair"),
            ),
        ),
        MethodEntry(
            "snapmix", "SnapMix", "pastes a box, labelled by what it shows of the object",
            {"images": INPUT}, alpha=5.0, targets="classes", passes=LOOK,
        ),
        MethodEntry(
            "puzzlemix", "PuzzleMix", "shows the blocks of both that matter most to the network",
            {"images": INPUT}, alpha=1.0, targets="classes", passes=LOOK_BACK,
            settings=(
                Setting("blocks", "along each side", None, low=2, kind="whole"),
                Setting("pieces", "the blocks along each side that are moved, if smaller", None,
                        low=2, kind="whole"),
            ),
        ),
        MethodEntry(
            "transmix", "TransMix", "cutmix labelled by the attention of a vision transformer",
            {"images": INPUT}, alpha=1.0, passes=LOOK,
            settings=(
                Setting("minmax", "the smallest and largest side of the box, in place of alpha",
                        None, high=1, kind="pair", replaces_alpha=True),
                Setting("tokens", "whether its boxes are of whole tokens", False, kind="flag"),
            ),
        ),
        MethodEntry(
            "classmix", "ClassMix", "pastes half of the partner's classes", {"masks": INPUT},
            compared=True,
        ),
        MethodEntry(
            "betweenclass", "BetweenClass", "mixup of sounds by their loudness",
            {"sounds": INPUT}, learned="rate", compared=True,
            settings=(
                Setting("snr", "the smallest and largest signal-to-noise ratio, in decibels", None,
                        low=-100, high=100, kind="pair"),
            ),
        ),
    )
}  # fmt: skip


ALPHA = Setting("alpha", "the strength, as a bare number", None, above=True)
#: The settings of a method, beside its own.
OF_METHODS = (
    ALPHA,
    Setting("share", "how often it is drawn when several take turns", None, high=1, above=True),
    Setting("layers", "the layers of the network that it is applied to", None),
)
#: The settings of the whole, which may follow any of the methods.
OF_THE_WHOLE = (
    Setting("prob", "the probability that anything is mixed", 1.0, high=1, above=True),
    Setting("switch_prob", "in mixup+cutmix, the probability of cutmix", 0.5, high=1, above=True),
    Setting("mode", "what is drawn at once", "elem"),
    Setting("until", "the share of the training that mixes, from its start", 1.0, high=1,
            above=True),
    Setting("off_epoch", "how many epochs mix, from the first on; 0 for all", 0, kind="whole"),
    Setting("partners", "with whom a sample is mixed", "cycle"),
    Setting("labels", "of several labels: both by their shares, or their union in full", "shares"),
)  # fmt: skip
# Names of timm's options, and of arguments in Python.
SYNONYMS = {
    "mixup_alpha": "alpha",
    "cutmix_alpha": "alpha",
    "cutmix_minmax": "minmax",
    "mixup_prob": "prob",
    "mix_prob": "prob",
    "p": "prob",
    "mixup_switch_prob": "switch_prob",
    "mixup_mode": "mode",
    "per": "mode",
    "mixup_off_epoch": "off_epoch",
}


def settings_of(method: MethodEntry) -> dict[str, Setting]:
    """All settings that may follow a method, by name."""
    common = [s for s in OF_METHODS if s is not ALPHA or method.alpha is not None]
    if not any(method.layers.values()):
        common = [setting for setting in common if setting.name != "layers"]
    return {setting.name: setting for setting in (*common, *method.settings, *OF_THE_WHOLE)}


def methods_for(kind: str, targets: Targets | None = None) -> list[MethodEntry]:
    """The methods that serve a kind of data, and where given, such targets."""
    return [
        method
        for method in METHODS.values()
        if method.layers_for(kind) is not None
        and (not targets or method.targets in (None, targets))
    ]


def compared_for(kind: str, targets: Targets) -> tuple[str, ...]:
    """The names that ``vicinal compare`` tries where the user names none.

    >>> compared_for("images", "classes"), compared_for("rows", "values")
    (('none', 'mixup', 'cutmix'), ('none', 'mixup', 'cmixup'))
    """
    return (NONE, *(method.name for method in methods_for(kind, targets) if method.compared))


def help_line(default: str) -> str:
    """What the help says about ``--mix``, whose default it is told."""
    served: dict[str, list[str]] = {}
    for method in METHODS.values():
        served.setdefault(_served(method), []).append(f"{method.name} ({method.summary})")
    groups = "; ".join(f"{data}: {', '.join(methods)}" for data, methods in served.items())
    return (
        f"The method, or none. Default: {default}. Methods joined by + take turns at "
        f"random; settings follow a colon, as in mixup:0.8+cutmix:1:prob=0.5. For {groups}."
    )


def _served(method: MethodEntry) -> str:
    """The data that a method serves, in a word or two."""
    if method.targets:
        return method.targets
    kinds = [kind for kind, layers in method.layers.items() if layers is not None]
    if OTHERS in kinds:
        left_out = [kind for kind, layers in method.layers.items() if layers is None]
        return f"all data but {join_and(left_out)}" if left_out else "all data"
    return join_and(kinds)
