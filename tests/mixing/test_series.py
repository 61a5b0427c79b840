"""Series with lengths, spectrograms and video: what the mixers do on them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import CutMix, FMix, MixUp


def series(lengths, features, seed=0):
    """Series with zeros after their ends: (B, T, *features)."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(len(lengths), max(lengths, default=1), *features, generator=g) + 1
    for row, length in zip(x, lengths, strict=True):
        row[length:] = 0
    return {"series": x, "length": torch.tensor(lengths, dtype=torch.int64)}


class TestLengths:
    @settings(deadline=None)
    @given(
        lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
        features=st.lists(st.integers(1, 3), max_size=3),
        inplace=st.booleans(),
        seed=st.integers(0, 999),
    )
    def test_a_series_fades_where_the_shorter_one_ends(self, lengths, features, inplace, seed):
        x = series(lengths, features, seed)
        own, given_x = x["series"].tolist(), {name: t.clone() for name, t in x.items()}
        mixed, target = MixUp(1.0, maximum="length", seed=seed)(
            given_x, torch.arange(len(lengths)), inplace=inplace
        )
        drawn = zip(target.partner.tolist(), target.weight.tolist(), strict=True)
        for i, (j, w) in enumerate(drawn):
            longer = max(lengths[i], lengths[j]) if w < 1 else lengths[i]
            assert int(mixed["length"][i]) == longer
            for t in range(max(lengths)):
                a, b = (torch.tensor(own[k][t]) * (t < lengths[k]) for k in (i, j))
                expected = w * a + (1 - w) * b
                assert torch.allclose(mixed["series"][i, t], expected, atol=1e-6)

    def test_nothing_follows_the_new_end(self):
        x = series([3, 9, 1, 5], [4])
        mixed, _ = MixUp(1.0, maximum="length", seed=0)(x, torch.arange(4))
        for row, length in zip(mixed["series"], mixed["length"].tolist(), strict=True):
            assert bool((row[length:] == 0).all())
            assert bool((row[:length] != 0).all())

    def test_targets_are_pairs_or_values(self):
        """A class for each series, or the values that are to be forecast."""
        x = series([3, 9, 1, 5], [4])
        forecast = torch.rand(4, 7)
        _, target = MixUp(1.0, maximum="length", seed=0)(
            x, {"class": torch.arange(4), "next": forecast}
        )
        w, j = target["next"].weight[:, None], target["class"].partner
        assert torch.allclose(target["next"].dense(), w * forecast + (1 - w) * forecast[j])


class TestCutsAlongOneDimension:
    @settings(deadline=None, max_examples=50)
    @given(
        dim=st.sampled_from([-1, -2]),
        size=st.tuples(st.integers(1, 9), st.integers(1, 30)),
        minmax=st.sampled_from([None, (0.2, 0.7), (0.0, 0.0), (1.0, 1.0)]),
        per=st.sampled_from(["sample", "batch"]),
        seed=st.integers(0, 999),
    )
    def test_a_span_is_the_partners_and_its_length_counts(self, dim, size, minmax, per, seed):
        count, length = 5, size[dim]
        x = torch.arange(1.0, 6.0).view(5, 1, 1).expand(5, *size).contiguous()
        mixed, target = CutMix(dim=dim, minmax=minmax, per=per, seed=seed)(x, torch.arange(count))
        # All other positions are equal, so one line along the dimension is enough.
        lines = mixed.movedim(dim, 1)
        assert torch.equal(lines, lines[:, :, :1].expand_as(lines))
        for line, i, j, w in zip(
            lines[:, :, 0], range(5), target.partner.tolist(), target.weight.tolist(), strict=True
        ):
            shown = (line == j + 1).nonzero().flatten().tolist()
            assert set(line.tolist()) <= {i + 1.0, j + 1.0}
            assert not shown or shown == list(range(shown[0], shown[-1] + 1))
            assert w == pytest.approx(1 - len(shown) / length, abs=1e-6)

    def test_with_minmax_spans_have_lengths_between_them(self):
        mix = CutMix(dim=-1, minmax=(0.2, 0.5), seed=0).draw(
            torch.empty(1, 1, 1).expand(999, 3, 100)
        )
        given = ((1 - mix.weight) * 100).round().long()
        assert set(given.tolist()) <= set(range(20, 51))
        assert len(set(given.tolist())) > 25

    def test_before_clipping_the_length_is_what_is_given_away(self):
        """With a large alpha it is a half, of which centres near the ends lose some."""
        mix = CutMix(float("inf"), dim=-1, seed=0).draw(torch.empty(1, 1, 1).expand(4000, 3, 1000))
        given = 1 - mix.weight
        assert float(given.max()) == pytest.approx(0.5)
        # One centre of two lies within a quarter of an end, and loses 1/8 on average. The standard
        # error of this mean is about 0.0013.
        assert float(given.mean()) == pytest.approx(0.4375, abs=0.0065)

    def test_features_of_a_series_stay_together(self):
        x = torch.rand(4, 50, 3)
        mixed, target = CutMix(dim=-2, seed=0)(x, torch.arange(4))
        shown = (mixed != x).all(2)
        assert torch.equal(shown, (mixed != x).any(2))
        assert torch.allclose(1 - shown.float().mean(1), target.weight)

    def test_labels_of_each_step_are_cut_along(self):
        x, steps = torch.rand(4, 50, 3), torch.randint(9, (4, 50))
        mix = CutMix(dim=-2, seed=0).draw(x)
        mixed, labels = CutMix(dim=-2, pixelwise=True, seed=0)(x, steps[..., None])
        shown = (mixed != x).any(2)
        assert bool(shown.any())
        assert torch.equal(labels[..., 0], torch.where(shown, steps[mix.partner], steps))

    def test_series_of_single_values_are_cut_as_one_channel(self):
        x = torch.rand(4, 50)
        mixed, target = CutMix(dim=-1, seed=0)(x[:, None], torch.arange(4))
        shown = mixed[:, 0] != x
        assert torch.allclose(1 - shown.float().mean(1), target.weight)
        with pytest.raises(ValueError, match=r"no images \(B, \.\.\., H, W\)"):
            CutMix(dim=-1)(x, torch.arange(4))

    def test_without_it_nothing_has_changed(self):
        x = torch.rand(4, 3, 20, 30)
        for minmax in (None, (0.2, 0.8)):
            both, one = (CutMix(minmax=minmax, dim=dim, seed=0).draw(x) for dim in (None, -1))
            both, one = both.patterns[0].corners, one.patterns[0].corners
            assert torch.equal(one[:, :2], torch.tensor([[0, 20]]).expand(4, 2))
            assert minmax is None or torch.equal(both[:, 2:], one[:, 2:])

    @pytest.mark.parametrize("dim", [0, 1, 2, -4, "time", True, 0.5])
    def test_other_dimensions_are_rejected(self, dim):
        with pytest.raises(ValueError, match="dim must be -1, -2, -3, several of them"):
            CutMix(dim=dim)

    def test_the_repr_shows_it(self):
        assert "dim=-2" in repr(CutMix(dim=-2))
        assert "dim" not in repr(CutMix())


class TestSpectrograms:
    """(B, C, F, T): images of frequencies and times."""

    x = torch.rand(4, 2, 40, 60, generator=torch.Generator().manual_seed(0))

    def test_boxes_cover_some_frequencies_at_some_times(self):
        mixed, target = CutMix(seed=0)(self.x, torch.arange(4))
        shown = mixed != self.x
        assert torch.equal(shown[:, 0], shown[:, 1])
        assert torch.allclose(1 - shown.float().mean((1, 2, 3)), target.weight)

    def test_times_or_frequencies_alone(self):
        for dim, others in ((-1, (1, 2)), (-2, (1, 3))):
            mixed, target = CutMix(dim=dim, seed=0)(self.x, torch.arange(4))
            shown = (mixed != self.x).float().mean(others)
            assert set(shown.unique().tolist()) == {0.0, 1.0}
            assert torch.allclose(1 - shown.mean(1), target.weight)


class TestVideo:
    """(B, T, C, H, W) or (B, C, T, H, W)."""

    @pytest.mark.parametrize("make", [CutMix, FMix])
    @pytest.mark.parametrize("shape", [(4, 5, 3, 8, 9), (4, 3, 5, 8, 9)])
    @pytest.mark.parametrize("inplace", [False, True])
    def test_one_box_through_all_frames(self, make, shape, inplace):
        x = torch.rand(shape)
        before = x.clone()
        mixed, target = make(seed=0)(x, torch.arange(4), inplace=inplace)
        shown = mixed != before
        assert torch.equal(shown, shown[:, :1, :1].expand_as(shown))
        assert torch.allclose(1 - shown[:, 0, 0].float().mean((1, 2)), target.weight)
        # As on the frames, each for itself.
        mix = make(seed=0).draw(before)
        frames = torch.stack([mix(frame) for frame in before.unbind(1)], 1)
        assert torch.equal(mixed, frames)

    @pytest.mark.parametrize("time", [1, 2])
    def test_some_frames_whole(self, time):
        """VideoMix's temporal form: frames are cut as a series of rows."""
        x = torch.rand(4, 12, 3, 8, 9) if time == 1 else torch.rand(4, 3, 12, 8, 9)
        mixed, target = CutMix(dim=-2, seed=0)(x.flatten(time + 1), torch.arange(4))
        shown = (mixed.view_as(x) != x).float().mean((3 - time, 3, 4))
        assert set(shown.unique().tolist()) == {0.0, 1.0}
        assert torch.allclose(1 - shown.mean(1), target.weight)

    def test_blending(self):
        x = torch.rand(4, 5, 3, 8, 9)
        mixed, target = MixUp(1.0, seed=0)(x, torch.arange(4))
        w = target.weight.view(4, 1, 1, 1, 1)
        assert torch.allclose(mixed, w * x + (1 - w) * x[target.partner], atol=1e-6)
