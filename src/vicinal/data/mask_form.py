"""MaskForm: how stored masks say which class a pixel has, and how predicted ones do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from PIL import Image

from vicinal.data.legend import IGNORED, Legend, unpacked
from vicinal.data.mask_scan import (
    SHORT,
    Scanned,
    as_packed,
    opened_mask,
    palette_of,
    pixel_values,
)
from vicinal.data.samples import listed
from vicinal.data.stored_masks import VOID
from vicinal.errors import VicinalError

Kind = Literal["numbers", "colours"]
MOST = VOID  # classes: one more number is that of pixels without one
FOREGROUND = 255  # in a mask of two numbers
HINT = "name the class of each by --legend FILE, with lines such as {line}"


@dataclass(frozen=True)
class MaskForm:
    """How masks are stored.

    Args:
        kind: whether they hold numbers (also indices of a palette) or colours.
        values: the number or packed colour of each class.
        ignored: numbers or packed colours of pixels without a class.
        palette: the packed colours of the palette that predicted masks get; None for grey ones.
    """

    kind: Kind
    values: Sequence[int]
    ignored: Sequence[int] = ()
    palette: Sequence[int] | None = None
    _keys: Any = field(init=False, repr=False, compare=False, default=None)
    _table: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        both = np.array([*self.values, *self.ignored], dtype=np.int64)
        classes = np.array([*range(len(self.values)), *([VOID] * len(self.ignored))])
        order = np.argsort(both)
        object.__setattr__(self, "_keys", (both[order], classes[order]))
        if self.kind == "numbers" and len(both) and both.max() < 1 << 16:
            table = np.full(1 << 16, -1, dtype=np.int16)
            table[both] = classes
            object.__setattr__(self, "_table", table)

    def classes(self, mask: Any) -> Any:
        """A stored mask as the indices of its pixels' classes, (H, W) int64; 255 is none.

        Raises:
            VicinalError: a pixel has another value; the message is a clause.
        """
        opened = opened_mask(mask)
        values = pixel_values(opened)
        if self.kind == "colours":
            values = self._colours(values, palette_of(opened))
        elif values.ndim == 3:
            values = values[..., 0]
        if self._table is not None and values.dtype in SHORT:
            found = self._table[values]
            if (found < 0).any():
                raise VicinalError(_no_class(self.shown(int(values[found < 0][0]))))
            return found.astype(np.int64)
        keys, classes = self._keys
        places = np.searchsorted(keys, values).clip(max=len(keys) - 1)
        if (keys[places] != values).any():
            odd = int(values[keys[places] != values][0])
            raise VicinalError(_no_class(self.shown(odd)))
        return classes[places]

    @staticmethod
    def _colours(values: Any, palette: Sequence[int] | None) -> Any:
        if values.ndim == 3:
            return as_packed(values)
        if palette is not None:
            return np.array(_whole(palette), dtype=np.int64)[values]
        return values.astype(np.int64) * 0x10101

    def shown(self, value: int) -> str:
        """A number, or a colour, as text.

        >>> MaskForm("colours", []).shown(258), MaskForm("numbers", []).shown(258)
        ('(0, 1, 2)', '258')
        """
        return str(unpacked(value) if self.kind == "colours" else value)

    def image(self, classes: Any) -> Image.Image:
        """A mask (H, W) of class indices, as the masks of the training were stored."""
        values = np.array(self.values, dtype=np.int64)[classes]
        if self.kind == "colours":
            parts = [values >> 16, values >> 8 & 255, values & 255]
            return Image.fromarray(np.stack(parts, axis=-1).astype(np.uint8))
        wide = max(self.values) > 255
        image = Image.fromarray(values.astype(np.uint16 if wide else np.uint8))
        if self.palette is not None and not wide:
            flat = [part for colour in self.palette for part in unpacked(colour)]
            # Pillow writes indices beyond the end of a palette as others.
            image.putpalette(flat + [0] * (768 - len(flat)))
        return image


def _no_class(shown: str) -> str:
    return f"it holds {shown}, which is no class"


@dataclass(frozen=True)
class Understood:
    """What the masks hold, by a legend or by themselves.

    Args:
        form: how they are stored.
        vocab: the names of the classes.
        notes: lines for the user.
        lacking: for each mask what it holds beside that; empty for nothing.
        pixels: for each mask the number of pixels of each class.
    """

    form: MaskForm
    vocab: list[str]
    notes: list[str]
    lacking: list[str]
    pixels: list[list[int]]


def understand(scanned: Sequence[Scanned], legend: Legend | None) -> Understood:
    """Which numbers or colours are which classes.

    Args:
        scanned: all masks, of which none is ``wrong``.
        legend: the user's; None goes by the masks.

    Raises:
        VicinalError: that is not clear without a legend, or there are too many or too few classes.
    """
    values = set().union(*(each.values for each in scanned if not each.coloured))
    palette = next((each.palette for each in scanned if each.palette is not None), None)
    kind: Kind = "numbers"
    if any(each.coloured for each in scanned):
        kind = "colours"
        if legend is None or legend.kind != "colours":
            raise VicinalError(_no_colours(scanned, legend))
    elif legend is not None and legend.kind == "colours":
        colours = {colour for each in scanned for colour in _as_colours(each)}
        if colours <= {*legend.values} or (palette is not None and colours & {*legend.values}):
            kind = "colours"
        else:
            legend = legend.by_number()
    if kind == "numbers" and (legend is None or legend.kind == "order"):
        _check_alike(scanned)
    if kind == "numbers" and legend is None:
        names, how = _by_themselves(values)
    else:
        assert legend is not None
        names, how = _by_legend(legend, values if kind == "numbers" else set())
    ignored = [value for value, name in names.items() if name.strip(" _").lower() in IGNORED]
    classes = {value: name for value, name in names.items() if value not in ignored}
    ignored += sorted(_void(scanned, kind) - names.keys())
    if not 2 <= len(classes) <= MOST:
        whose = "the masks have" if legend is None else f"the legend {legend.file} gives the masks"
        raise VicinalError(
            f"{whose} {len(classes)} class{'es' if len(classes) != 1 else ''}: training "
            f"takes 2 to {MOST}"
        )
    form = MaskForm(kind, [*classes], ignored, palette if kind == "numbers" else None)
    counts = [_counts(each, form) for each in scanned]
    lacking = [_lacking(each, form) for each in counts]
    pixels = [[each.get(value, 0) for value in classes] for each in counts]
    notes = _notes(form, classes, names, how)
    return Understood(form, [*classes.values()], notes, lacking, pixels)


def _void(scanned: Sequence[Scanned], kind: Kind) -> set[int]:
    """The number 255, or its colours in palettes, if a mask without colours has it."""
    with_void = [each for each in scanned if not each.coloured and VOID in each.values]
    if kind == "numbers":
        return {VOID for _ in with_void}
    return {_whole(each.palette)[VOID] for each in with_void if each.palette is not None}


def _check_alike(scanned: Sequence[Scanned]) -> None:
    """Refuse masks whose numbers seem to mean different things.

    Raises:
        VicinalError: some have 0 and 1, others 0 and 255; or their palettes differ.
    """
    found = [each.values for each in scanned]
    ones, whites = (sum(value in values for values in found) for value in (1, FOREGROUND))
    are_apart = not any({1, FOREGROUND} <= values for values in found)
    if ones and whites and are_apart and set().union(*found) <= {0, 1, FOREGROUND}:
        raise VicinalError(
            f"masks with the number 1 ({ones:,}) have no 255, and those with 255 ({whites:,}) no "
            "1, so 255 may be the same class or pixels without one: store all alike, or "
            + HINT.format(line="'1,cat' and '255,void'")
        )
    colours: dict[int, int] = {}
    for each in scanned:
        for value in each.values if each.palette is not None else ():
            colour = _whole(each.palette)[value]
            other = colours.setdefault(value, colour)
            if other != colour:
                raise VicinalError(
                    f"the index {value} is the colour {unpacked(other)} in the palette of some "
                    f"masks and {unpacked(colour)} in that of others: name the class of each "
                    f"colour by --legend FILE, with lines such as "
                    f"'cat,{','.join(map(str, unpacked(colour)))}', or that of each index if the "
                    f"palettes are wrong, such as '{value},cat'"
                )


def _whole(palette: Sequence[int] | None) -> Sequence[int]:
    """The packed colours of 256 indices; those beyond the palette are grey."""
    known = palette or ()
    return [*known, *(value * 0x10101 for value in range(len(known), 256))]


def _by_themselves(values: set[int]) -> tuple[dict[int, str], str]:
    """The classes of masks without a legend."""
    if values and values <= {0, FOREGROUND} and FOREGROUND in values:
        return {0: "background", FOREGROUND: "foreground"}, "black and white"
    classes = sorted(values - {VOID})
    if len(classes) > MOST or (classes and classes[-1] >= 4 * len(classes) + 32):
        shown = listed([str(value) for value in sorted(values)])
        raise VicinalError(
            f"the masks hold the {len(values)} numbers {shown}, which may be classes or shades: "
            + HINT.format(line=f"'{classes[-1]},sky'")
        )
    return {value: str(value) for value in classes}, "without a legend"


def _by_legend(legend: Legend, values: set[int]) -> tuple[dict[int, str], str]:
    how = f"by {legend.file}"
    if legend.kind == "order" and len(legend.names) == 2 and values == {0, FOREGROUND}:
        return dict(zip((0, FOREGROUND), legend.names, strict=True)), f"{how}, black and white"
    if legend.kind == "order":
        how += ", numbered in its order"
    return dict(zip(legend.values, legend.names, strict=True)), how


def _as_colours(scanned: Scanned) -> list[int]:
    """The packed colours of numbers, in their order; of those beyond the palette their grey."""
    palette = _whole(scanned.palette)
    return [palette[value] if value < 256 else value * 0x10101 for value in scanned.counts]


def _no_colours(scanned: Sequence[Scanned], legend: Legend | None) -> str:
    colours = sorted({value for each in scanned if each.coloured for value in each.values})
    shown = listed([str(unpacked(colour)) for colour in colours], 4)
    count = f"the masks hold {len(colours):,} colours ({shown})"
    if legend is not None:
        return f"{count}, and the legend {legend.file} gives none: add red, green and blue to it"
    line = ",".join(["'sky", *map(str, unpacked(colours[-1]))]) + "'"
    return f"{count}: {HINT.format(line=line)}"


def _counts(scanned: Scanned, form: MaskForm) -> Counter[int]:
    """The pixels of each number or colour, as the form reads them."""
    if form.kind == "numbers" or scanned.coloured:
        return Counter(scanned.counts)
    found: Counter[int] = Counter()
    for value, colour in zip(scanned.counts, _as_colours(scanned), strict=True):
        found[colour] += scanned.counts[value]
    return found


def _lacking(counts: Counter[int], form: MaskForm) -> str:
    odd = sorted(counts.keys() - {*form.values, *form.ignored})
    kind = "colour" if form.kind == "colours" else "number"
    shown = listed([form.shown(value) for value in odd], 3)
    return f"the {kind}{'s' if len(odd) > 1 else ''} {shown}" if odd else ""


def _notes(
    form: MaskForm, classes: Mapping[int, str], names: Mapping[int, str], how: str
) -> list[str]:
    stored = "colours" if form.kind == "colours" else "numbers"
    if form.palette is not None:
        stored = "indices of a palette"
    shown = {value: form.shown(value) for value in classes}
    pairs = [text if text == classes[v] else f"{text} = {classes[v]}" for v, text in shown.items()]
    notes = [f"masks: {stored} ({how}): {listed(pairs, 40)}"]
    if form.ignored:
        left = listed([f"{form.shown(v)} {names.get(v, '')}".strip() for v in form.ignored])
        notes.append(f"ignored: pixels of {left}, which count in no loss and no metric")
    return notes
