"""The axes that hidden activations are mixed along: the batch, height and width."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset

from vicinal import (
    BetweenClass,
    ColumnMix,
    CutMix,
    FMix,
    ManifoldMixUp,
    MixCollate,
    MixUp,
)

B, C = 6, 8


class Called(nn.Module):
    """A model that calls its layer on what ``prepare`` makes of the batch."""

    def __init__(self, layer, prepare=lambda x: (x,)):
        super().__init__()
        self.layer, self.prepare = layer, prepare

    def forward(self, x):
        return self.layer(*self.prepare(x))


def mixed(model, x, layer="layer", mixer=None):
    """What the model returns without and with mixing, and the mix."""
    mixer = MixUp(2.0) if mixer is None else mixer
    mixup = ManifoldMixUp(model, layer, mixer=mixer, seed=0)
    with torch.no_grad(), mixup:
        plain = model(x)
        given, target = mixup(x, torch.arange(len(x)))
        mix = mixup._hooks.pending
        return plain, model(given), mix, target


def by_sample(mix, target, output, axis):
    """The output mixed sample by sample along an axis."""
    samples = output.unbind(axis)
    shares = zip(target.weight.tolist(), mix.partner.tolist(), strict=True)
    rows = [w * own + (1 - w) * samples[i] for own, (w, i) in zip(samples, shares, strict=True)]
    return torch.stack(rows, axis)


def second(x):
    return (x.transpose(0, 1),)


def twice(x):
    return (x.transpose(0, 1), x.transpose(0, 1))


def thrice(x):
    return (x.transpose(0, 1),) * 3


def without_weights(x):
    return (*thrice(x), None, False)


def encoder(**options):
    layer = nn.TransformerEncoderLayer(C, 2, 16, dropout=0.0, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False, norm=nn.LayerNorm(C))


def decoder(**options):
    return nn.TransformerDecoderLayer(C, 2, 16, dropout=0.0, **options)


SEQUENCES = {
    "encoder layer": (nn.TransformerEncoderLayer(C, 2, 16, dropout=0.0), second),
    "encoder": (encoder(), second),
    "decoder layer": (decoder(), twice),
    "decoder": (nn.TransformerDecoder(decoder(), 2), twice),
    "transformer": (nn.Transformer(C, 2, 1, 1, 16, dropout=0.0), twice),
    "attention": (nn.MultiheadAttention(C, 2), thrice),
    "attention without weights": (nn.MultiheadAttention(C, 2), without_weights),
    "LSTM": (nn.LSTM(C, C, 3), second),
    "GRU": (nn.GRU(C, C, B, bidirectional=True), second),
    "RNN": (nn.RNN(C, C, B), second),
    "LSTM, batch first": (nn.LSTM(C, C, B, batch_first=True), lambda x: (x,)),
    "encoder layer, batch first": (
        nn.TransformerEncoderLayer(C, 2, 16, dropout=0.0, batch_first=True),
        lambda x: (x,),
    ),
    "attention, batch first": (nn.MultiheadAttention(C, 2, batch_first=True), lambda x: (x, x, x)),
    "a chain that ends with one": (
        nn.Sequential(nn.Linear(C, C), encoder(), nn.Dropout(0)),
        second,
    ),
}


@pytest.mark.parametrize("length", [5, B])
@pytest.mark.parametrize(("layer", "prepare"), SEQUENCES.values(), ids=SEQUENCES)
def test_sequences_are_mixed_along_the_batch(layer, prepare, length):
    x = torch.rand(B, length, C, generator=torch.Generator().manual_seed(0))
    plain, found, mix, target = mixed(Called(layer, prepare), x)
    axis = 1 if prepare in (second, twice, thrice, without_weights) else 0
    if isinstance(layer, nn.RNNBase):
        torch.testing.assert_close(found[0], by_sample(mix, target, plain[0], axis))
        states = (plain[1], found[1]) if isinstance(layer, nn.LSTM) else ([plain[1]], [found[1]])
        for before, after in zip(*states, strict=True):
            torch.testing.assert_close(after, by_sample(mix, target, before, 1))
    elif isinstance(layer, nn.MultiheadAttention):
        torch.testing.assert_close(found[0], by_sample(mix, target, plain[0], axis))
        if plain[1] is not None:
            torch.testing.assert_close(found[1], by_sample(mix, target, plain[1], 0))
    else:
        torch.testing.assert_close(found, by_sample(mix, target, plain, axis))


@pytest.mark.parametrize("part", ["self_attn", "linear1", "dropout1", "norm1", "norm2"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_so_are_their_parts(part, batch_first):
    """Each sample's output is that of a batch of two: the sample and its partner, both mixed."""
    layer = nn.TransformerEncoderLayer(C, 2, 16, dropout=0.0, batch_first=batch_first).double()
    model = Called(layer, (lambda x: (x,)) if batch_first else second)
    x = torch.rand(B, B, C, dtype=torch.float64)
    seen = []
    handle = layer.get_submodule(part).register_forward_hook(lambda m, a, out: seen.append(out))
    plain, found, mix, target = mixed(model, x, f"layer.{part}")
    handle.remove()
    axis = 0 if batch_first else 1
    output = seen[0][0] if part == "self_attn" else seen[0]
    replaced = by_sample(mix, target, output, axis)
    swap = lambda m, a, out: (replaced, None) if part == "self_attn" else replaced  # noqa: E731
    handle = layer.get_submodule(part).register_forward_hook(swap)
    torch.testing.assert_close(found, model(x).detach())
    handle.remove()
    assert not torch.allclose(found, plain)


class TestUnknownLayers:
    """The batch is the first axis. That is not taken for granted where it might be the second."""

    class Turned(nn.Module):
        """A layer of one's own, which returns (T, B, C)."""

        def forward(self, x):
            return x.transpose(0, 1)

    @pytest.mark.parametrize("shape", [(B, B, C), (B, 3, B)])
    def test_a_square_is_rejected(self, shape):
        model = Called(nn.Identity(), lambda x: (x.reshape(B, B, -1),))
        with pytest.raises(ValueError, match=r"layer 'layer': in shape \(6, 6, .* axis of 6 "):
            mixed(model, torch.rand(shape))

    def test_one_that_a_batch_before_has_shown_is_not(self):
        model = Called(nn.Linear(C, C))
        mixup = ManifoldMixUp(model, "layer", seed=0)
        for shape in [(5, B, C), (B, B, C)]:
            given, _ = mixup(torch.rand(shape), torch.arange(shape[0]))
            assert model(given).shape == shape

    def test_each_output_of_a_layer_is_shown_by_itself(self):
        class Two(nn.Module):
            def forward(self, x):
                return x, x.new_ones(B, len(x), C)  # the second one is (layers, B, C)

        model = Called(Two())
        mixup = ManifoldMixUp(model, "layer", seed=0)
        with pytest.raises(ValueError, match=r"output\[1\]: .* shape \(6, 5, 8\)"):
            model(mixup(torch.rand(5, 3, C), torch.arange(5))[0])
        with pytest.raises(ValueError, match=r"output\[1\]: in shape \(6, 6, 8\)"):
            model(mixup(torch.rand(B, B, C), torch.arange(B))[0])

    @pytest.mark.parametrize("length", [5, B])
    def test_batch_second_is_rejected_whatever_the_sizes(self, length):
        with pytest.raises(ValueError, match=r"layer 'layer': (the mix was drawn|in shape)"):
            mixed(Called(self.Turned()), torch.rand(B, length, C))

    def test_in_a_model_with_such_layers_whatever_the_input_is(self):
        """As in a vision transformer whose patches are as many as the images of a batch."""
        model = Called(nn.Linear(16, C), lambda x: (x.flatten(1).view(4, 4, 16).transpose(0, 1),))
        model.attention = nn.MultiheadAttention(C, 2)
        with pytest.raises(ValueError, match=r"in shape \(4, 4, 8\)"):
            mixed(model, torch.rand(4, 1, 8, 8))

    @pytest.mark.parametrize(
        ("layer", "x"),
        [
            (nn.Conv1d(3, B, 1), torch.rand(B, 3, B)),
            (nn.Sequential(nn.Conv1d(3, B, 1), nn.BatchNorm1d(B), nn.ReLU()), torch.rand(B, 3, B)),
            (nn.Conv2d(3, B, 1), torch.rand(B, 3, B, B)),
            (nn.Linear(B, B), torch.rand(B, B)),
            (nn.Linear(3, 4), torch.rand(B, 5, 3)),
        ],
    )
    def test_channels_are_no_alarm(self, layer, x):
        plain, found, mix, target = mixed(Called(layer), x)
        torch.testing.assert_close(found, by_sample(mix, target, plain, 0))

    @pytest.mark.parametrize("layer", ["0", "1", "2.0", "2.1", "3"])
    def test_nor_is_a_chain_in_which_the_batch_stays_first(self, layer):
        inner = nn.Sequential(nn.Linear(B, B), nn.Identity())  # linear, as what is mixed is seen
        model = nn.Sequential(nn.Conv1d(3, B, 1), nn.Dropout(0.0), inner, nn.Flatten())
        plain, found, mix, target = mixed(model, torch.rand(B, 3, B), layer)
        torch.testing.assert_close(found, by_sample(mix, target, plain, 0))

    @pytest.mark.parametrize("layer", ["0", "1", "2.0"])
    def test_but_a_layer_behind_one_that_may_move_it(self, layer):
        model = nn.Sequential(self.Turned(), nn.Identity(), nn.Sequential(nn.Linear(C, C)))
        with pytest.raises(ValueError, match=rf"layer '{layer}': in shape \(6, 6, 8\)"):
            mixed(model, torch.rand(B, B, C), layer)

    class Residual(nn.Module):
        """A block of one's own, which returns (B, C, T)."""

        def __init__(self, width):
            super().__init__()
            self.convolution, self.norm = nn.Conv1d(width, width, 1), nn.BatchNorm1d(width)

        def forward(self, x):
            return x + self.norm(self.convolution(x)).relu()

    @pytest.mark.parametrize(("length", "is_recurrent"), [(B, False), (5, False), (5, True)])
    def test_blocks_of_convolutions_are_no_alarm(self, length, is_recurrent):
        """Of as many channels as samples; before a recurrent layer, too."""
        model = Called(self.Residual(B))
        if is_recurrent:
            model.recurrent = nn.LSTM(B, B)
        plain, found, mix, target = mixed(model, torch.rand(B, B, length))
        torch.testing.assert_close(found, by_sample(mix, target, plain, 0))

    def test_but_in_a_recurrent_model_if_all_sizes_agree(self):
        model = Called(self.Residual(B))
        model.recurrent = nn.LSTM(B, B)
        with pytest.raises(ValueError, match=r"in shape \(6, 6, 6\)"):
            mixed(model, torch.rand(B, B, B))

    def test_one_that_a_task_vouches_for_is_not(self):
        layer = nn.Linear(C, C)
        layer._batch_is_first = True
        plain, found, mix, target = mixed(Called(layer), torch.rand(B, B, C))
        torch.testing.assert_close(found, by_sample(mix, target, plain, 0))

    def test_an_embedding_of_what_the_batch_holds_is_no_alarm(self):
        """Texts as long as the batch is large: token ids are embedded as they come."""
        ids = torch.arange(B * B).view(B, B) % 7
        plain, found, mix, target = mixed(Called(nn.Embedding(7, C)), ids)
        torch.testing.assert_close(found, by_sample(mix, target, plain, 0))
        with pytest.raises(ValueError, match=r"in shape \(6, 6, 8\)"):
            mixed(Called(nn.Embedding(7, C), second), ids)

    def test_positions_are_rejected_whatever_the_sizes(self):
        class Positions(Called):
            def forward(self, x):
                return x + super().forward(x)

        model = Positions(nn.Embedding(9, C), lambda x: (torch.arange(x.shape[1]),))
        for length, message in [
            (5, r"first dimension must be the batch"),
            (B, "in shape .* axis of 6"),
        ]:
            with pytest.raises(ValueError, match=message):
                mixed(model, torch.rand(B, length, C))

    def test_one_embedding_for_each_sample_is_no_alarm(self):
        model = Called(nn.Embedding(9, C), lambda x: (x[:, 0].long(),))
        plain, found, mix, target = mixed(model, torch.rand(B, 3))
        torch.testing.assert_close(found, by_sample(mix, target, plain, 0))

    @pytest.mark.parametrize(("length", "message"), [(5, r"shape \(5, 6, 8\)"), (B, "in shape")])
    def test_a_subclass_of_a_known_layer_is_not_known(self, length, message):
        class Turned(nn.LSTM):
            def forward(self, x):
                return super().forward(x)[0].transpose(0, 1)

        model = Called(Turned(C, C, batch_first=True))
        with pytest.raises(ValueError, match=message):
            mixed(model, torch.rand(B, length, C))

    def test_a_single_sequence_is_rejected(self):
        model = Called(nn.TransformerEncoderLayer(B, 2, 4, dropout=0.0), lambda x: (x[0],))
        with pytest.raises(ValueError, match=r"shape \(6, 6\): the batch must be its axis 1"):
            mixed(model, torch.rand(B, B, B))

    def test_sequences_on_the_wrong_axis_are_rejected(self):
        """The usual mistake of a forgotten batch_first=True."""
        with pytest.raises(ValueError, match=r"shape \(6, 5, 8\): the batch must be its axis 1"):
            mixed(Called(nn.LSTM(C, C)), torch.rand(B, 5, C))

    def test_packed_sequences_are_rejected(self):
        class Reader(Called):
            def forward(self, x):
                return super().forward(x)[1]

        model = Reader(nn.GRU(C, C), lambda x: (pack_sequence(list(x.unbind())),))
        with pytest.raises(TypeError, match=r"output\[0\]: a PackedSequence cannot be mixed"):
            mixed(model, torch.rand(B, 1, C))


def cut(mix, output, channels):
    """The boxes or masks of a mix, pasted pixel by pixel."""
    maps = output if channels == "first" else output.movedim(-1, 1)
    made = maps.clone()
    height, width = maps.shape[-2:]
    (pattern,) = mix.patterns
    for i, partner in enumerate(mix.partner.tolist()):
        for row in range(height):
            for column in range(width):
                if hasattr(pattern, "corners"):
                    rows, columns = height / pattern.size[0], width / pattern.size[1]
                    top, bottom, left, right = pattern.corners[i].tolist()
                    inside = round(top * rows) <= row < round(bottom * rows)
                    inside &= round(left * columns) <= column < round(right * columns)
                else:
                    keep = pattern.keep[i]
                    inside = not keep[row * len(keep) // height, column * keep.shape[1] // width]
                if inside:
                    made[i, ..., row, column] = maps[partner, ..., row, column]
    return made if channels == "first" else made.movedim(1, -1)


def last(x):
    return (x.movedim(1, -1),)


class Gate(nn.Module):
    """A layer of one's own, with a convolution and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, 3, 1), nn.Linear(3, 3)

    def forward(self, x):
        return self.conv(x) * self.gate(x.mean((2, 3)))[..., None, None]


class TestChannels:
    @pytest.mark.parametrize("mixer", [CutMix(), FMix()])
    @pytest.mark.parametrize(
        ("layer", "prepare", "size", "channels"),
        [
            (nn.Linear(3, 4), last, (8, 8), "last"),
            (nn.Linear(3, 8), last, (8, 8), "last"),
            (nn.LayerNorm(3), last, (8, 8), "last"),
            (nn.Sequential(nn.Linear(3, 4), nn.GELU()), last, (8, 8), "last"),
            (nn.Identity(), last, (8, 8), "last"),
            (nn.Identity(), last, (8, 6), "last"),
            (nn.Identity(), lambda x: (x,), (8, 8), "first"),
            (nn.AvgPool2d(2), lambda x: (x,), (8, 6), "first"),
            (nn.Conv2d(3, 8, 1), lambda x: (x,), (8, 8), "first"),
            (nn.Conv2d(3, 8, 1, stride=(1, 2)), lambda x: (x,), (8, 8), "first"),
            (nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()), lambda x: (x,), (8, 8), "first"),
            (Gate(), lambda x: (x,), (8, 8), "first"),
        ],
    )
    def test_regions_are_cut_along_height_and_width(self, layer, prepare, size, channels, mixer):
        x = torch.rand(B, 3, *size, generator=torch.Generator().manual_seed(0))
        plain, found, mix, _ = mixed(Called(layer, prepare), x, mixer=mixer)
        assert torch.equal(found, cut(mix, plain, channels))

    def test_of_videos_too(self):
        x = torch.rand(B, 3, 2, 8, 8)
        plain, found, mix, _ = mixed(Called(nn.Identity(), last), x, mixer=CutMix())
        assert torch.equal(found, cut(mix, plain, "last"))

    @pytest.mark.parametrize(
        ("layer", "prepare", "size"),
        [
            (nn.Identity(), lambda x: (x.repeat(1, 3, 1, 1)[:, :8],), (8, 8)),
            (nn.Identity(), lambda x: (x[..., :5],), (8, 8)),
            (nn.Linear(8, 8), lambda x: (x,), (8, 8)),
            (
                nn.MultiheadAttention(C, 2),
                lambda x: (
                    *[x.flatten(2).transpose(1, 2)[..., :1].repeat(1, 1, C).transpose(0, 1)] * 3,
                ),
                (8, 8),
            ),
        ],
    )
    def test_what_is_unknown_is_rejected(self, layer, prepare, size):
        with pytest.raises(ValueError, match=r"layer 'layer'.* (height and width)"):
            mixed(Called(layer, prepare), torch.rand(B, 3, *size), mixer=CutMix())

    def test_tokens_have_no_height_and_width(self):
        model = Called(nn.Linear(3, 4), lambda x: (x.flatten(2).transpose(1, 2),))
        with pytest.raises(ValueError, match=r"shape \(6, 64, 4\) has no height and width"):
            mixed(model, torch.rand(B, 3, 8, 8), mixer=CutMix())

    @pytest.mark.parametrize("part", ["layers.0", "layers.0.blocks.0.mlp", "patch_embed"])
    def test_in_timms_swin_transformer(self, part):
        timm = pytest.importorskip("timm")
        swin = timm.create_model(
            "swin_tiny_patch4_window7_224", img_size=32, window_size=4, embed_dim=16, depths=(1,),
            num_heads=(1,), num_classes=5, drop_path_rate=0.0,
        )  # fmt: skip
        layer, x = swin.get_submodule(part), torch.rand(4, 3, 32, 32)
        prepare = (lambda x: (x,)) if part == "patch_embed" else lambda x: (swin.patch_embed(x),)
        plain, found, mix, _ = mixed(Called(layer, prepare), x, mixer=CutMix())
        assert plain.shape == (4, 8, 8, 16)
        assert torch.equal(found, cut(mix, plain, "last"))


@pytest.mark.parametrize("mixer", [ColumnMix(), BetweenClass(rate=8000)])
def test_columns_and_sounds_are_those_of_the_input(mixer):
    x = torch.rand(B, C)
    with pytest.raises(ValueError, match="mixes columns or waveforms, which hidden activations"):
        ManifoldMixUp(nn.Sequential(nn.Linear(C, C)), "0", mixer=mixer)(x, torch.arange(B))
    mixup = ManifoldMixUp(nn.Sequential(nn.Linear(C, C)), "input", mixer=mixer, seed=0)
    mixer.load_state_dict({"seed": 0, "draws": 0})
    assert torch.equal(mixup(x, torch.arange(B))[0], mixer(x, torch.arange(B))[0])


@pytest.mark.parametrize(("layers", "is_right"), [("0", False), ("input", True)])
def test_a_loaders_worker_has_another_model(layers, is_right, monkeypatch):
    model = nn.Sequential(nn.Linear(C, C))
    collate = MixCollate(ManifoldMixUp(model, layers))
    monkeypatch.setattr("vicinal.mixing.hidden.get_worker_info", lambda: SimpleNamespace(seed=0))
    samples = [(torch.rand(C), i) for i in range(B)]
    if is_right:
        assert len(collate(samples)) == 2
    else:
        with pytest.raises(ValueError, match="cannot draw in a data loader's worker, whose copy"):
            collate(samples)


def test_batches_that_are_fetched_ahead_are_rejected():
    """As by Accelerate's loaders: the second batch would be mixed by the draw of the first."""
    model = nn.Sequential(nn.Linear(C, C))
    data = TensorDataset(torch.rand(12, C), torch.arange(12))
    loader = iter(DataLoader(data, B, collate_fn=MixCollate(ManifoldMixUp(model, "0"))))
    next(loader)
    with pytest.raises(RuntimeError, match="which a loader that fetches batches ahead does not do"):
        next(loader)


@pytest.mark.parametrize(
    "layer", [nn.Linear(C, C), nn.TransformerEncoderLayer(C, 2, 16, dropout=0.0)]
)
def test_of_compiled_models_the_axes_are_the_same(layer):
    model = Called(
        layer, second if isinstance(layer, nn.TransformerEncoderLayer) else lambda x: (x,)
    )
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    eager, mixup = (ManifoldMixUp(each, "layer", seed=0) for each in (model, compiled))
    for length in (5, B):
        x = torch.rand(B, length, C)
        with eager:
            expected = model(eager(x, torch.arange(B))[0])
        with mixup:
            torch.testing.assert_close(compiled(mixup(x, torch.arange(B))[0]), expected)
