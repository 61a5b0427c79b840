"""What ``--mix`` can say: methods, their settings, and those of the whole, as text and back.

``METHOD[:SETTING...]`` joined by ``+``. A bare number is the method's alpha, all other settings are
``name=value``: ``mixup:0.8+cutmix:1:prob=0.5``. A shell needs no quotes for it.
"""

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn

from vicinal.errors import VicinalError
from vicinal.formatting import format_exact
from vicinal.method_settings import Setting
from vicinal.methods import (
    ALPHA,
    METHODS,
    NONE,
    OF_THE_WHOLE,
    SYNONYMS,
    MethodEntry,
    settings_of,
)

Mode = Literal["batch", "pair", "elem"]
MODES: tuple[Mode, ...] = ("batch", "pair", "elem")
LABELS = ("shares", "union")
# Of `partners` in Python, those that have a word; "pairs" is mode=pair.
PARTNERS = ("cycle", "shuffle", "reverse", "same_class", "other_class", "near", "far")
OF_CLASSES = ("same_class", "other_class")  # which need targets that are classes
# As `per` of a mixer in Python has it.
PER = {"batch": "batch", "sample": "elem"}


@dataclass(frozen=True)
class MixPart:
    """One of the methods of a mix.

    Args:
        method: which one.
        alpha: its strength; None for that of the method.
        share: how often it is drawn; None for an even share of what the others leave.
        layers: names or patterns of the layers that it is applied to; empty for the method's own.
        settings: its own settings, where they differ from the default, in the order of the table.
    """

    method: MethodEntry
    alpha: float | None = None
    share: float | None = None
    layers: tuple[str, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """It as it is typed."""
        words = [self.method.name]
        words += [] if self.alpha is None else [written(self.alpha)]
        words += [f"{name}={written(value)}" for name, value in self.settings]
        words += [f"layers={'/'.join(self.layers)}"] if self.layers else []
        words += [f"share={written(self.share)}"] if self.share is not None else []
        return ":".join(words)

    @property
    def strength(self) -> float | None:
        """Its alpha, given or not; None where there is none, or another setting in its place."""
        if self.instead_of_alpha is not None:
            return None
        return self.method.alpha if self.alpha is None else self.alpha

    @property
    def instead_of_alpha(self) -> str | None:
        """The name of the setting that takes the place of alpha, where one does."""
        given = dict(self.settings)
        names = [s.name for s in self.method.settings if s.replaces_alpha and s.name in given]
        return names[0] if names else None

    def arguments(self, to: Literal["mixer", "callback"]) -> dict[str, Any]:
        """Its settings for its mixer or its callback."""
        takers = {setting.name: setting.to for setting in self.method.settings}
        return {name: value for name, value in self.settings if takers[name] == to}


@dataclass(frozen=True)
class MixSpec:
    """What is mixed in a training: some methods that take turns, or none.

    Args:
        parts: the methods; empty for no mixing.
        prob: the probability that a sample (with mode "batch", a batch) is mixed.
        mode: what has weights and a method of its own: a batch, a pair or a sample ("elem").
        until: the share of the training after which nothing is mixed any more.
        off_epoch: the same in epochs; 0 for never.
        partners: with whom a sample is mixed.
        labels: what several labels of both samples become: "shares" of both, or their "union".
    """

    parts: tuple[MixPart, ...] = ()
    prob: float = 1.0
    mode: Mode = "elem"
    until: float = 1.0
    off_epoch: int = 0
    partners: str = "cycle"
    labels: str = "shares"

    @property
    def text(self) -> str:
        """It as it is typed, without what is the default anyway.

        >>> parse_mix("MixUp:0.8+cutmix:mixup_switch_prob=0.5:per=batch").text
        'mixup:0.8+cutmix:mode=batch'
        """
        if not self.parts:
            return NONE
        defaults = {s.name: s.default for s in OF_THE_WHOLE if s.name != "switch_prob"}
        whole = {name: getattr(self, name) for name in defaults}
        words = [f"{k}={written(v)}" for k, v in whole.items() if v != defaults[k]]
        return ":".join(["+".join(part.text for part in self.parts), *words])

    @property
    def methods(self) -> tuple[MethodEntry, ...]:
        return tuple(part.method for part in self.parts)

    @property
    def plain(self) -> MixPart | None:
        """The only method, where nothing is said but its strength."""
        if len(self.parts) != 1:
            return None
        (part,) = self.parts
        is_plain = self == MixSpec((MixPart(part.method, part.alpha),))
        return part if is_plain else None

    @property
    def shares(self) -> tuple[float, ...]:
        """How often each method is drawn, which adds up to 1.

        >>> parse_mix("mixup:share=0.5+cutmix+fmix").shares
        (0.5, 0.25, 0.25)
        """
        given = [part.share for part in self.parts if part.share is not None]
        open_parts = len(self.parts) - len(given)
        even = (1 - sum(given)) / open_parts if open_parts else 0.0
        return tuple(even if part.share is None else part.share for part in self.parts)

    @property
    def takes_alpha(self) -> bool:
        """Whether some method has a strength, and none is given."""
        return any(part.strength is not None for part in self.parts) and not self._gives_alpha

    @property
    def _gives_alpha(self) -> bool:
        return any(part.alpha is not None for part in self.parts)

    def with_alpha(self, alpha: float) -> "MixSpec":
        """This mix with a strength for each method that has one.

        Raises:
            VicinalError: none has one, or one is given already; or it is out of its range.
        """
        if not 0 <= alpha < math.inf:
            least = "a finite number" if alpha > 0 else "0 or more"
            raise VicinalError(f"--alpha must be {least}, not {alpha:g}")
        if self._gives_alpha:
            raise VicinalError(
                f"--alpha {alpha:g} contradicts the strength in --mix {self.text}: leave out one "
                "of them"
            )
        if not self.takes_alpha:
            raise VicinalError(f"--alpha does not apply to --mix {self.text}: leave it out")
        parts = [
            part if part.strength is None else replace(part, alpha=float(alpha))
            for part in self.parts
        ]
        return replace(self, parts=tuple(parts))

    def without_strengths(self) -> "MixSpec":
        """This mix with the strengths that the methods have by themselves."""
        return replace(self, parts=tuple(replace(part, alpha=None) for part in self.parts))

    def meaning(self) -> tuple[Any, ...]:
        """Equal where two of them mean the same.

        >>> parse_mix("mixup").meaning() == parse_mix("mixup:0.4").meaning()
        True
        """
        parts = [
            (part.method.name, part.strength, round(share, 9), part.layers, part.settings)
            for part, share in zip(self.parts, self.shares, strict=True)
        ]
        whole = self.prob, self.mode, self.until, self.off_epoch, self.partners, self.labels
        return (*parts, *whole)

    def mixing_share(self, epochs: int) -> float:
        """The share of the training that mixes, of so many epochs.

        Raises:
            VicinalError: the epoch that ends it is not in the training.
        """
        if not self.off_epoch:
            return self.until
        if self.off_epoch >= epochs:
            raise VicinalError(
                f"--mix {self.text}: off_epoch={self.off_epoch} is not before the end of "
                f"{epochs} epoch{'s' if epochs > 1 else ''}: use a smaller one, or leave it out"
            )
        return self.off_epoch / epochs


def parse_mix(mix: str | None, alpha: float | None = None) -> MixSpec:
    """What ``--mix`` says; nothing for ``none``, and mixup for None.

    Args:
        mix: methods with their settings, joined by ``+``; names are in any case.
        alpha: what ``--alpha`` says: the strength of each method that has one.

    Raises:
        VicinalError: a name or a setting is unknown, out of its range, there twice, or contradicts
            another; the methods take no strength, or have it already.

    >>> [part.method.factory for part in parse_mix("MixUp+cutmix").parts]
    ['MixUp', 'CutMix']
    >>> parse_mix("mixup:0.8+cutmix:1:prob=0.5").prob
    0.5
    """
    spec = _parsed("mixup" if mix is None else mix)
    return spec if alpha is None else spec.with_alpha(alpha)


def _parsed(mix: str) -> MixSpec:
    if mix.lower() == NONE:
        return MixSpec()
    parts, whole = [], dict[str, Any]()
    for text in mix.split("+"):
        name, *words = text.split(":")
        if name.lower() not in METHODS:
            _refuse_name(mix, name)
        given = _settings(METHODS[name.lower()], text, words)
        for setting in OF_THE_WHOLE:
            if setting.name in given:
                if setting.name in whole:
                    _refuse(text, f"{setting.name} is there twice in {mix}: leave out one of them")
                whole[setting.name] = given.pop(setting.name)
        parts.append(_part(METHODS[name.lower()], given))
    parts = _switched(mix, parts, whole.pop("switch_prob", None))
    spec = MixSpec(tuple(parts), **whole)
    _check(spec, mix)
    if len(set(spec.shares)) == 1:  # even ones, as without any
        spec = replace(spec, parts=tuple(replace(part, share=None) for part in spec.parts))
    return spec


def _refuse_name(mix: str, name: str) -> NoReturn:
    near = difflib.get_close_matches(name.lower(), METHODS, n=1)
    hint = f": did you mean {near[0]}?" if near else ""
    if name.lower() == NONE and mix.lower().startswith(f"{NONE}:"):
        hint = f": {NONE} has no settings"
    raise VicinalError(
        f"--mix must be {NONE}, or some of {', '.join(METHODS)} joined by +, not "
        f"{mix.strip().lower() or 'nothing'}{hint}"
    )


def _refuse(text: str, why: str) -> NoReturn:
    raise VicinalError(f"--mix {text}: {why}")


def _settings(method: MethodEntry, text: str, words: Iterable[str]) -> dict[str, Any]:
    """The settings that follow a method, by name."""
    known, given = settings_of(method), dict[str, Any]()
    for word in words:
        typed, equals, value = word.partition("=")
        if not equals:
            if not _is_number(word):
                shown = word or "nothing"
                _refuse(text, f"{shown} is neither a strength nor a setting such as prob=0.5")
            typed, value = ALPHA.name, word
        name = typed.lower().replace("-", "_")
        name = SYNONYMS.get(name, name)
        if name not in known:
            _refuse_setting(method, text, typed if equals else word, name, known)
        if name in given:
            _refuse(text, f"{name} is there twice: leave out one of them")
        try:
            given[name] = _value(known[name], value)
        except ValueError as error:
            _refuse(text, f"{typed} {error}")
    return given


def _refuse_setting(
    method: MethodEntry, text: str, typed: str, name: str, known: dict[str, Setting]
) -> NoReturn:
    if name == ALPHA.name:
        _refuse(text, f"{method.name} has no strength: leave out {typed}")
    if name == "layers":
        _refuse(text, f"{method.name} is applied to the input alone: leave out layers")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
    _refuse(text, f"{method.name} has no setting {typed or 'without a name'}: {hint}")


def _value(setting: Setting, text: str) -> Any:
    """The value of a setting; a ValueError that goes on after its name where there is none."""
    if setting.name == "layers":
        names = tuple(text.split("/"))
        if not all(names):
            raise ValueError(f"must be names of layers, joined by /, not {text or 'nothing'}")
        return tuple(dict.fromkeys(names))
    if setting.name == "mode":
        mode = PER.get(text.lower(), text.lower())
        if mode == "half":
            raise ValueError(
                "cannot be half, which halves the batches: use batch, pair or elem instead"
            )
        if mode not in MODES:
            raise ValueError(f"must be {', '.join(MODES[:-1])} or {MODES[-1]}, not {text}")
        return mode
    if setting.name == "partners":
        word = text.lower().replace("-", "_")
        if word in ("pair", "pairs"):
            raise ValueError("cannot be pairs, which share one draw: use mode=pair instead")
        if word not in PARTNERS:
            listed = f"{', '.join(PARTNERS[:-1])} or {PARTNERS[-1]}"
            raise ValueError(f"must be {listed}, not {text or 'nothing'}")
        return word
    if setting.name == "labels":
        if text.lower() not in LABELS:
            raise ValueError(f"must be {' or '.join(LABELS)}, not {text or 'nothing'}")
        return text.lower()
    return setting.parse(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _part(method: MethodEntry, given: dict[str, Any]) -> MixPart:
    own = [(s.name, given.pop(s.name)) for s in method.settings if s.name in given]
    defaults = {setting.name: setting.default for setting in method.settings}
    settings = tuple((name, value) for name, value in own if value != defaults[name])
    return MixPart(method, settings=settings, **given)


def _switched(mix: str, parts: list[MixPart], switch: float | None) -> list[MixPart]:
    """The parts, of which cutmix has the share that ``switch_prob`` gives it."""
    if switch is None:
        return parts
    if sorted(part.method.name for part in parts) != ["cutmix", "mixup"]:
        _refuse(mix, "switch_prob is the probability of cutmix in mixup+cutmix: use share instead")
    if any(part.share is not None for part in parts):
        _refuse(mix, "switch_prob and share say the same: leave out one of them")
    if switch == 1:
        _refuse(mix, "switch_prob=1 leaves nothing for mixup: use cutmix alone")
    return [replace(part, share=switch) if part.method.name == "cutmix" else part for part in parts]


def _check(spec: MixSpec, mix: str) -> None:
    """Refuse settings that contradict each other, or methods that do not go together."""
    shares = [part.share for part in spec.parts if part.share is not None]
    total, is_full = sum(shares), len(shares) == len(spec.parts)
    if shares and len(spec.parts) == 1:
        _refuse(mix, "share is for methods that take turns: use prob instead")
    if is_full and abs(total - 1) > 1e-9:
        _refuse(mix, f"the shares add up to {total:g}, not to 1: leave out one of them")
    if shares and not is_full and total > 1 - 1e-9:
        rest = next(part.method.name for part in spec.parts if part.share is None)
        _refuse(mix, f"the shares add up to {total:g}, which leaves nothing for {rest}")
    for part in spec.parts:
        if part.alpha is not None and part.instead_of_alpha is not None:
            _refuse(part.text, f"{part.instead_of_alpha} takes the place of alpha: leave out one")
    if spec.until < 1 and spec.off_epoch:
        _refuse(mix, "until and off_epoch both end the mixing: leave out one of them")
    choosing = [part.method.name for part in spec.parts if part.method.chooses_partners]
    if spec.mode == "pair" and choosing:
        _refuse(mix, f"{choosing[0]} chooses partners itself, so mode cannot be pair: leave it out")
    if spec.partners != "cycle" and choosing:
        _refuse(mix, f"{choosing[0]} chooses partners itself: leave out partners={spec.partners}")
    if spec.partners != "cycle" and spec.mode == "pair":
        _refuse(mix, f"mode=pair and partners={spec.partners} exclude each other: leave out one")
    alone = [part.method for part in spec.parts if part.method.why_by_shares]
    if alone and spec.labels == "union":
        why = alone[0].why_by_shares
        _refuse(mix, f"{alone[0].name} {why}, by shares: leave out labels=union")
    if alone and len(spec.parts) > 1:
        _refuse(mix, f"{alone[0].name} cannot take turns with others: name it alone")


def written(value: Any) -> str:
    """A value as it is typed.

    >>> written(1.0), written((0.2, 0.8)), written(1e20)
    ('1', '0.2/0.8', '1e20')
    """
    if isinstance(value, tuple):
        return "/".join(map(written, value))
    return format_exact(value).replace("e+", "e").lower()  # of True, too
