"""Volumes (B, C, D, H, W) and masks of their voxels (B, D, H, W), against hand-written forms."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vicinal import (
    Choice,
    ClassMix,
    CutMix,
    FMix,
    GridMix,
    ManifoldMixUp,
    MixLoss,
    MixUp,
    ResizeMix,
    Schedule,
    SmoothMix,
    accuracy,
    check_mixer,
)
from vicinal.mixing import MixedTarget

CUBE = (-3, -2, -1)
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.uint8)
LAYOUTS = {
    "contiguous": lambda x: x,
    "channels_last_3d": lambda x: x.contiguous(memory_format=torch.channels_last_3d),
    "a view": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
}
dims = st.sampled_from([CUBE, -3, (-3, -1), (-3, -2), [-1, -2, -3]])
sides = st.tuples(*[st.integers(1, 9)] * 2, st.integers(5, 9))  # the last one holds no channels
drawn = {
    "size": sides,
    "channels": st.sampled_from([1, 2, 5]),
    "count": st.integers(1, 4),
    "dtype": st.sampled_from(DTYPES),
    "layout": st.sampled_from(sorted(LAYOUTS)),
    "inplace": st.booleans(),
    "seed": st.integers(0, 999),
}


def batch(size, channels, count, dtype=torch.float32, layout="contiguous", seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(count, channels, *size, generator=g).mul(200).to(dtype)
    return LAYOUTS[layout](x), torch.randint(5, (count, *size), generator=g)


def strides_of(x):
    """The strides that matter: of one element any will do."""
    return [stride for stride, side in zip(x.stride(), x.shape, strict=True) if side > 1]


def pasted_by_hand(x, y, partner, boxes):
    """Boxes of the partners, voxel by voxel in plain Python slices."""
    mixed, masks = x.clone(), y.clone()
    for i, (front, back, top, bottom, left, right) in enumerate(boxes.tolist()):
        box = slice(front, back), slice(top, bottom), slice(left, right)
        mixed[i][:, *box] = x[partner[i]][:, *box]
        masks[i][box] = y[partner[i]][box]
    return mixed, masks


@given(dim=dims, **drawn)
def test_boxes(size, channels, count, dtype, layout, inplace, seed, dim):
    x, y = batch(size, channels, count, dtype, layout, seed)
    mix = CutMix(dim=dim, seed=seed).draw(x, y)
    boxes = mix.patterns[0].corners
    before, strides = x.clone(), strides_of(x)
    wanted, masks = pasted_by_hand(before, y, mix.partner, boxes)
    mixed, target = CutMix(dim=dim, seed=seed)(x, y, inplace=inplace)
    assert torch.equal(mixed, wanted)
    assert layout == "a view" or strides_of(mixed) == strides
    assert mixed.dtype == dtype
    assert (mixed is x) == inplace
    assert inplace or torch.equal(x, before)
    assert torch.equal(target, masks)
    # The weight of labels is the exact share of voxels.
    ones = torch.arange(count).view(-1, 1, 1, 1, 1).expand(count, 1, *size).double()
    share = (mix(ones) == ones).double().mean((1, 2, 3, 4))
    unequal = mix.partner != torch.arange(count)
    assert torch.allclose(share[unequal], mix.weight.double()[unequal], atol=1e-6)
    _, labels = CutMix(dim=dim, seed=seed)(before, torch.arange(count))
    assert torch.equal(labels.weight, mix.weight)


@given(dim=dims, size=sides, seed=st.integers(0, 99))
def test_sides_of_boxes(dim, size, seed):
    """Equal shares of the sides that are cut, and the others whole; with minmax inside."""
    cut = {dim} if isinstance(dim, int) else {*dim}
    x, _ = batch(size, 1, 4)
    whole = torch.tensor([[axis not in cut for axis in CUBE]])
    edges = CutMix(dim=dim, alpha=0.0, minmax=(0.5, 0.5), seed=seed).draw(x).patterns[0].corners
    length = edges[:, 1::2] - edges[:, ::2]
    sizes = torch.tensor(size).expand_as(length)
    assert torch.equal(length, sizes.where(whole, sizes // 2))
    edges = CutMix(dim=dim, seed=seed).draw(x).patterns[0].corners
    assert bool((edges[:, ::2] >= 0).all() and (edges[:, 1::2] <= sizes).all())
    assert torch.equal(
        (edges[:, 1::2] - edges[:, ::2])[whole.expand(4, 3)], sizes[whole.expand(4, 3)]
    )


def test_the_share_that_is_cut_is_that_of_the_draw():
    """Boxes have cube roots of 1 - λ as sides, λ uniform, and are cubes where not clipped."""
    x = torch.zeros(1).expand(4000, 1, 32, 32, 32)
    edges = CutMix(dim=CUBE, seed=0).draw(x).patterns[0].corners
    length = edges[:, 1::2] - edges[:, ::2]
    inside = ((edges[:, ::2] > 0) & (edges[:, 1::2] < 32)).all(1)
    assert bool((length[inside] == length[inside][:, :1]).all())  # cubes
    # A side of 26 / 32 has 1 - λ = 0.536, which 0.464 of all draws exceed; of these boxes, those
    # that are clipped along all three axes are fewer than a third.
    share = (length.amax(1) >= 26).float().mean()
    assert 0.30 < share < 0.464


@given(**drawn)
def test_classmix(size, channels, count, dtype, layout, inplace, seed):
    x, y = batch(size, channels, count, dtype, layout, seed)
    mix = ClassMix(ignore_index=4, seed=seed).draw(x, y)
    before, strides = x.clone(), strides_of(x)
    mixed, target = ClassMix(ignore_index=4, seed=seed)(x, y, inplace=inplace)
    for i, p in enumerate(mix.partner.tolist()):
        theirs = {*y[p].unique().tolist()} - {4}
        keep = mix.patterns[0].keep[i].expand_as(y[p])
        chosen = {*y[p][~keep].unique().tolist()}
        assert chosen <= theirs
        assert len(chosen) == len(theirs) // 2
        pasted = torch.isin(y[p], torch.tensor([*chosen], dtype=torch.int64))
        assert torch.equal(mixed[i], torch.where(pasted, before[p], before[i]))
        assert torch.equal(target[i], torch.where(pasted, y[p], y[i]))
        assert mix.weight[i].item() == pytest.approx(1 - pasted.double().mean().item(), abs=1e-6)
    assert layout == "a view" or strides_of(mixed) == strides


METHODS = {
    "FMix": FMix, "GridMix": GridMix, "ResizeMix": ResizeMix, "SmoothMix": SmoothMix,
    "MixUp": MixUp, "CutMix": CutMix,
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_other_methods_mix_each_slice_alike(name):
    x, y = batch((3, 8, 6), 2, 4)
    mix = METHODS[name](seed=0).draw(x, y)
    mixed, target = mix(x), mix.target(y)
    for depth in range(3):
        assert torch.allclose(mixed[:, :, depth], mix(x[:, :, depth]))
        alone = mix.target(y[:, depth])
        if isinstance(target, MixedTarget):
            assert torch.equal(target.own[:, depth], alone.own)
            assert torch.equal(target.weight, alone.weight)
        else:
            assert torch.equal(target[:, depth], alone)


@pytest.mark.parametrize("partners", ["cycle", "shuffle", "pairs", "reverse"])
def test_choices(partners):
    """Each sample by one of several methods, the loss of each voxel by its share."""
    x, y = batch((4, 6, 8), 2, 16)
    mixers = [MixUp(), CutMix(dim=CUBE), ClassMix()]
    mixer = Choice(mixers, partners=partners, seed=1)
    mix = mixer.draw(x, y)
    mixed, target = mix(x), mix.target(y)
    shares = mix(nn.functional.one_hot(y, 5).movedim(-1, 1).float())
    assert torch.allclose(target.dense(5), shares, atol=1e-6)
    output = torch.rand(16, 5, 4, 6, 8)
    loss = MixLoss(nn.CrossEntropyLoss())(output, target)
    assert loss.item() == pytest.approx(
        nn.functional.cross_entropy(output, shares).item(), abs=1e-5
    )
    assert 0 <= accuracy(output, target) <= 1
    assert mixed.shape == x.shape
    assert len({len(p.size) for p in mix.patterns if p.spatial}) == 1


def test_slices_and_volumes_together():
    """A box in all slices beside classes by voxels: the target has the share of each voxel."""
    x, y = batch((4, 6, 8), 2, 16)
    for mixers in ([CutMix(), ClassMix()], [SmoothMix(), ClassMix(), CutMix()]):
        mix = Choice(mixers, seed=1).draw(x, y)
        target = mix.target(y)
        shares = mix(nn.functional.one_hot(y, 5).movedim(-1, 1).float())
        dense = nn.functional.one_hot(y, 5)
        if isinstance(target, MixedTarget):
            assert torch.allclose(target.dense(5), shares, atol=1e-6)
        else:
            dense = nn.functional.one_hot(target, 5).movedim(-1, 1).float()
            assert torch.equal(dense, shares)


@pytest.mark.parametrize("make", [lambda **o: CutMix(dim=CUBE, **o), ClassMix])
def test_the_same_by_other_roads(make):
    x, y = batch((4, 6, 8), 2, 5)
    wanted, masks = make(seed=3)(x, y)
    nested, target = make(seed=3)({"image": x}, {"label": y})
    assert torch.equal(nested["image"], wanted)
    assert torch.equal(target["label"], masks)
    # Masks with one channel, as MONAI has them.
    mixed, target = make(seed=3)(x, y.unsqueeze(1))
    assert torch.equal(mixed, wanted)
    assert torch.equal(target, masks.unsqueeze(1))
    assert torch.equal(Schedule(make(), steps=9, seed=3)(x, y)[0].isfinite(), x.isfinite())
    other = batch((4, 6, 8), 2, 5, seed=7)
    mixed, target = make(seed=3)(x, y, other=other)
    differs = (mixed != x).all(1)
    assert torch.equal(mixed.where(differs.unsqueeze(1), other[0]), other[0])
    assert torch.equal(target, torch.where(differs, other[1], y))
    half, target = make(seed=3, half=True)(x, y)
    assert half.shape[0] == len(target) == 3


def test_classmix_of_channels_last():
    x, y = batch((9, 8, 10), 3, 4)
    mixed, target = ClassMix(seed=1)(x, y)
    last, also = ClassMix(seed=1)(x.movedim(1, -1), y)
    assert torch.equal(last.movedim(-1, 1), mixed)
    assert torch.equal(also, target)


def test_maps_of_voxels():
    """One-hot masks and maps of another size follow, with channels first or last."""
    x, y = batch((6, 8, 10), 1, 4)
    hot = nn.functional.one_hot(y, 5).float()
    mix = CutMix(dim=CUBE, seed=0).draw(x)
    assert torch.equal(mix.target(hot.movedim(-1, 1)).movedim(1, -1), mix.target(hot))
    assert torch.equal(mix.target(hot).argmax(-1), mix.target(y))
    small = mix.target(y[:, ::2, ::2, ::2], pixelwise=True)
    assert small.shape == (4, 3, 4, 5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: CutMix(dim=CUBE, seed=0), lambda: ClassMix(seed=0)])
def test_compiled(make):
    x, y = batch((4, 6, 8), 2, 5)
    mixer, plain = make(), make()
    step = torch.compile(lambda x, y: mixer(x, y), backend="eager", fullgraph=True)
    for _ in range(2):
        for found, wanted in zip(step(x, y), plain(x, y), strict=True):
            assert torch.equal(found, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("mixer", [CutMix(dim=CUBE), ClassMix(), Choice([ClassMix(), MixUp()])])
def test_all_checks_of_mixers(mixer):
    assert "half" in check_mixer(mixer, *batch((5, 8, 9), 2, 6))


def test_hidden_layers():
    """Boxes in volumes of half the size, as a network of 3D convolutions has them."""
    net = nn.Sequential(nn.Conv3d(1, 6, 2, stride=2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    x, _ = batch((4, 8, 8), 1, 4)
    with torch.no_grad():
        net(x)
        mixer = ManifoldMixUp(net, layers=["1"], mixer=CutMix(dim=CUBE), seed=0)
        mixed, target = mixer(x, torch.arange(4))
        found = {}
        net[2].register_forward_pre_hook(lambda _, inputs: found.update(x=inputs[0]))
        net(mixed)
    plain = net[1](net[0](x))
    cut = (found["x"] != plain).any(1)
    assert 0 < cut.float().mean() < 1
    assert not bool(cut.all((1, 2, 3)).any() and target.weight.min() > 0.5)


@pytest.mark.parametrize(
    ("x", "y", "mixer", "message"),
    [
        ((4, 3, 8, 8), (4,), CutMix(dim=CUBE), r"has no depth.*as x\.unsqueeze\(1\) does"),
        ((4, 8, 9), (4,), CutMix(dim=-3), r"has no depth beside its channels: give \(B, C, D"),
        ((4, 9), (4,), CutMix(dim=-3), r"there are no volumes \(B, C, D, H, W\)"),
        ((4, 8, 9, 9, 3), (4,), CutMix(dim=CUBE), r"holds channels.*x\.permute\(0, 4, 1, 2, 3\)"),
        ((4, 1, 9, 9, 3), (4,), CutMix(dim=CUBE), r"may hold channels.*x\.transpose\(2, -1\)"),
        ((4, 1, 6, 7, 8), (4, 7, 8), CutMix(dim=CUBE), "the volumes have 6 x 7 x 8 voxels"),
        ((4, 1, 6, 7, 8), (4, 3, 7, 8), CutMix(dim=CUBE), "the volumes have 6 x 7 x 8 voxels"),
        ((4, 1, 6, 7, 8), (4, 7, 8), CutMix(dim=-3, pixelwise=True), "no depth, height and width"),
        ((4, 1, 6, 7, 8), (4, 5, 7, 8), ClassMix(), r"give \(B, 7, 8\) or \(B, 6, 7, 8\) integers"),
        ((4, 1, 6, 7, 8), (4,), Choice([FMix(), CutMix(dim=-3)]), "or all of them volumes"),
    ],
)  # fmt: skip
def test_what_is_refused(x, y, mixer, message):
    with pytest.raises(ValueError, match=message):
        mixer(torch.rand(x), torch.zeros(y, dtype=torch.int64))


def test_images_beside_volumes_are_refused_and_masks_are_cut():
    x, y = batch((6, 7, 8), 1, 4)
    with pytest.raises(ValueError, match="may be images or masks of volumes, beside volumes of"):
        CutMix(dim=CUBE)({"volume": x, "photo": torch.rand(4, 3, 7, 8)}, torch.arange(4))
    mixed, _ = CutMix(dim=CUBE, integers="paste", seed=0)({"v": x, "m": y}, torch.arange(4))
    assert torch.equal(mixed["m"], CutMix(dim=CUBE, seed=0)(x, y)[1])


@pytest.mark.parametrize("dim", [3, 0, -4, (-1, -1), (), "depth", 1.5, True])
def test_dims_that_there_are_not(dim):
    with pytest.raises(ValueError, match="dim must be -1, -2, -3, several of them"):
        CutMix(dim=dim)


def test_the_repr_says_what_is_cut():
    assert repr(CutMix(dim=[-3, -2, -1])).startswith("CutMix(alpha=1.0, dim=(-3, -2, -1)")
