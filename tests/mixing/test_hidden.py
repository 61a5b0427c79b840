"""Mixing inside of a model: exact, for one forward pass, and gone when it is over."""

import copy
import dataclasses
import gc
import io
import math
import pickle
from collections import Counter, namedtuple
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

from two_processes import launch
from vicinal import (
    Callback,
    CancelBatch,
    Checkpoint,
    Choice,
    CMixUp,
    CutMix,
    DataLoaders,
    Learner,
    ManifoldMixUp,
    MixLoss,
    MixUp,
    Remix,
    Schedule,
)

CLASSES = 5


def loss_of(output, y):
    return MixLoss(nn.CrossEntropyLoss())(output, y)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(count=12, seed=0):
    return torch.randint(CLASSES, (count,), generator=torch.Generator().manual_seed(seed))


def mlp(dtype=torch.float64):
    torch.manual_seed(0)
    layers = nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, CLASSES)
    return nn.Sequential(*layers).to(dtype)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer1 = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3))
        self.layer2 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3, stride=2))
        self.fc = nn.Linear(6, CLASSES)
        self.double()

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(self.stem(x))).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(30, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, CLASSES)
        self.double()

    def forward(self, x):
        hidden = self.encoder(self.embedding(x["ids"]), src_key_padding_mask=~x["mask"])
        return self.head(hidden.mean(1))


def texts(count=12, length=7):
    ids = torch.randint(30, (count, length), generator=torch.Generator().manual_seed(0))
    return {"ids": ids, "mask": torch.arange(length) < torch.arange(count)[:, None] % 5 + 3}


def steps_of(net, x):
    """The same forward pass, as named steps, each of which gets the output of the one before."""
    if isinstance(net, CNN):
        *body, fc = net.named_children()
        return [*body, ("mean", lambda h: h.mean((2, 3))), fc]
    if isinstance(net, Transformer):
        hidden = [(f"encoder.layers.{i}", layer) for i, layer in enumerate(net.encoder.layers)]
        hidden = [(n, partial(layer, src_key_padding_mask=~x["mask"])) for n, layer in hidden]
        ends = [("mean", lambda h: h.mean(1)), ("head", net.head)]
        return [("embedding", lambda batch: net.embedding(batch["ids"])), *hidden, *ends]
    return list(net.named_children())


def blended(mix, h):
    weight = mix.weight.double().view(-1, *[1] * (h.ndim - 1))
    return weight * h + (1 - weight) * h[mix.partner]


def by_hand(net, x, y, layer, mix):
    """Output and loss of a forward pass that mixes after a layer; Verma et al., equation (1)."""
    h = blended(mix, x) if layer == "input" else x
    for name, step in steps_of(net, x):
        h = step(h)
        if name == layer:
            h = blended(mix, h)
    own, partner = (F.cross_entropy(h, t, reduction="none") for t in (y, y[mix.partner]))
    return h, (mix.weight * own + (1 - mix.weight) * partner).mean()


def grads(net):
    return {name: p.grad for name, p in net.named_parameters()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12)


def hooks_on(net):
    stores = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs"
    stores += "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs"
    return sum(len(getattr(module, store)) for module in net.modules() for store in stores)


def drawn_layer(mixup):
    """What the last call has drawn, before the forward pass."""
    waiting = mixup._hooks.pending
    return "input" if waiting is None else waiting.layer


CASES = [
    *((mlp, layer) for layer in ("input", "0", "1", "3")),
    *((CNN, layer) for layer in ("input", "stem", "layer1", "layer2")),
    *((Transformer, layer) for layer in ("embedding", "encoder.layers.0", "encoder.layers.1")),
]


def batch_for(net, seed=0):
    if isinstance(net, Transformer):
        return texts(), labels(seed=seed)
    shape = (12, 3, 10, 9) if isinstance(net, CNN) else (12, 6)
    return numbers(*shape, seed=seed), labels(seed=seed)


@pytest.mark.parametrize(("make", "layer"), CASES)
def test_it_equals_a_model_mixed_by_hand(make, layer):
    """Outputs, losses, gradients of all parameters, and batch statistics."""
    net, twin = make(), make()
    mixup = ManifoldMixUp(net, layer, seed=1)
    alone = MixUp(2.0, seed=1)
    for seed in range(2):
        x, y = batch_for(net, seed)
        mix = alone.draw(x, y)
        given, target = mixup(x, y)
        output = net(given)
        loss = loss_of(output, target)
        loss.backward()
        expected, by_hand_loss = by_hand(twin, x, y, layer, mix)
        by_hand_loss.backward()
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(loss, by_hand_loss, rtol=1e-9, atol=0)
        assert_same(grads(net), grads(twin))
        assert_same(dict(net.named_buffers()), dict(twin.named_buffers()))


@pytest.mark.parametrize("make", [mlp, CNN, Transformer])
def test_every_draw_of_several_layers_equals_one_by_hand(make):
    net, twin = make(), make()
    layers = [layer for case, layer in CASES if case is make]
    mixup, alone, seen = ManifoldMixUp(net, layers, seed=0), MixUp(2.0, seed=0), set()
    for seed in range(25):
        x, y = batch_for(net, seed)
        given, target = mixup(x, y)
        layer = drawn_layer(mixup)
        loss_of(net(given), target).backward()
        by_hand(twin, x, y, layer, alone.draw(x, y))[1].backward()
        seen.add(layer)
    assert_same(grads(net), grads(twin))
    assert seen == set(layers)


def test_layers_are_drawn_evenly():
    """Of 3000 draws, each of 5 layers gets its share; by chance, a test in 10,000 would fail."""
    mixup = ManifoldMixUp(mlp(), seed=0)
    x, y = batch_for(None)
    found = Counter()
    for _ in range(3000):
        mixup(x, y)
        found[drawn_layer(mixup)] += 1
        mixup._hooks.pending = None
    assert set(found) == set(mixup.layers)
    deviation = math.sqrt(3000 * 0.2 * 0.8)
    assert all(abs(count - 600) < 4.3 * deviation for count in found.values())


def test_torchs_own_generator_is_neither_read_nor_moved():
    net = mlp()
    before = torch.get_rng_state()
    mixup = ManifoldMixUp(net, seed=0)
    net(mixup(*batch_for(net))[0])
    assert torch.equal(torch.get_rng_state(), before)


class TestWhoIsMixed:
    def test_a_forward_pass_in_evaluation_mode_is_not(self):
        net = mlp()
        x, y = batch_for(net)
        plain = net(x)
        mixup = ManifoldMixUp(net, "1", seed=0)
        mixup(x, y)
        net.eval()
        assert torch.equal(net(x), plain)
        net.train()
        assert not torch.allclose(net(x), plain)  # the draw has waited for it

    def test_a_forward_pass_without_a_draw_is_not(self):
        net = mlp()
        x, y = batch_for(net)
        plain = net(x)
        mixup = ManifoldMixUp(net, "1", seed=0)
        for _ in range(2):
            given, _ = mixup(x, y)
            assert not torch.allclose(net(given), plain)
            assert torch.equal(net(x), plain)
            assert torch.equal(net(x), plain)

    def test_a_layer_that_is_called_alone_is_not(self):
        net = mlp()
        x, y = batch_for(net)
        plain = net[:2](x)
        mixup = ManifoldMixUp(net, "1", seed=0)
        given, target = mixup(x, y)
        assert torch.equal(net[:2](x), plain)  # before the forward pass
        loss = loss_of(net(given), target)
        assert torch.equal(net[:2](x), plain)  # before the backward pass
        loss.backward()
        assert torch.equal(net[:2](x), plain)  # and after it

    def test_samples_that_keep_all_of_themselves_are_not(self):
        net = mlp()
        x, y = batch_for(net)
        plain = net(x)
        mixup = ManifoldMixUp(net, "1", mixer=Schedule(MixUp(), until=0.5, steps=2), seed=0)
        same = []
        for _ in range(2):
            given, target = mixup(x, y)
            same.append((torch.equal(net(given), plain), bool((target.weight == 1).all())))
        assert same == [(False, False), (True, True)]

    def test_of_a_layer_that_is_called_several_times_the_first_call_is(self):
        class Recurrent(nn.Module):
            def __init__(self):
                super().__init__()
                self.step = nn.Linear(6, 6).double()

            def forward(self, x):
                return self.step(self.step(self.step(x).tanh()).tanh())

        net = Recurrent()
        x, y = batch_for(None)
        given, _ = ManifoldMixUp(net, "step", seed=0)(x, y)
        hidden = blended(MixUp(2.0, seed=0).draw(x, y), net.step(x))
        expected = net.step(net.step(hidden.tanh()).tanh())
        torch.testing.assert_close(net(given), expected)

    @pytest.mark.parametrize("by_name", [False, True])
    def test_of_two_inputs_of_one_layer_both_have_to_be(self, by_name):
        class Siamese(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder, self.head = mlp()[:2], nn.Linear(16, CLASSES).double()

            def forward(self, x):
                left, right = x, x.flip(1)
                second = self.encoder(input=right) if by_name else self.encoder(right)
                return self.head(torch.cat([self.encoder(left), second], 1))

        net = Siamese()
        given, _ = ManifoldMixUp(net, "encoder", seed=0)(*batch_for(None))
        with pytest.raises(RuntimeError, match="'encoder' is called again for inputs that do not"):
            net(given)

    def test_a_layer_that_all_branches_share_is_taken_for_the_first(self):
        class Shared(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.relu = mlp()[0], nn.ReLU()
                self.second, self.extra = nn.Linear(8, 8).double(), nn.Linear(8, 8).double()

            def forward(self, x):
                hidden = self.relu(self.first(x))
                hidden = hidden + self.relu(self.second(hidden)) + self.relu(self.extra(hidden))
                return self.relu(hidden), self.relu(torch.ones(CLASSES, 8).double())

        net = Shared()
        x, y = batch_for(None)
        given, _ = ManifoldMixUp(net, "relu", seed=0)(x, y)
        found = net(given)[0]
        hidden = blended(MixUp(2.0, seed=0).draw(x, y), net.relu(net.first(x)))
        expected = hidden + net.second(hidden).relu() + net.extra(hidden).relu()
        torch.testing.assert_close(found, expected.relu())

    def test_copies_of_the_model_for_several_gpus_are_not(self):
        net = mlp()
        x, y = batch_for(net)
        given, _ = ManifoldMixUp(net, "1", seed=0)(x, y)
        replica = net._replicate_for_data_parallel()  # what DataParallel calls, on each GPU
        with pytest.raises(RuntimeError, match="DataParallel splits a batch among copies"):
            replica(given[:6])
        assert replica(x).shape == (12, CLASSES)

    def test_the_batch_is_returned_unchanged_unless_the_input_is_drawn(self):
        net = mlp()
        x, y = batch_for(net)
        assert ManifoldMixUp(net, "1", seed=0)(x, y)[0] is x
        mixed, _ = ManifoldMixUp(net, "input", seed=0)(x, y)
        assert torch.equal(mixed, MixUp(2.0, seed=0)(x, y)[0])


class TestMixers:
    def test_boxes_cover_the_same_part_of_a_feature_map(self):
        net = nn.Sequential(nn.AvgPool2d(2), nn.Flatten())
        x, y = numbers(12, 3, 16, 12), labels()
        given, target = ManifoldMixUp(net, "0", mixer=CutMix(), seed=3)(x, y)
        mix = CutMix(seed=3).draw(x, y)
        assert torch.equal(net(given), mix(F.avg_pool2d(x, 2)).flatten(1))
        assert torch.equal(target.weight, mix.weight)

    @pytest.mark.parametrize(
        "mixer",
        [
            Choice([MixUp(1.0), CutMix()], [0.4, 0.4]),
            Schedule(MixUp(), alpha=(0.5, 2.0), steps=4),
            MixUp(2.0, folded=False, per="batch"),
        ],
    )
    def test_any_mixer_draws(self, mixer):
        net, options = CNN(), {"partners": "pairs", "seed": 2}
        mixup = ManifoldMixUp(net, "stem", mixer=mixer, **options)
        alone = Schedule(mixer, steps=4, **options)
        x, y = batch_for(net)
        for _ in range(4):
            given, target = mixup(x, y)
            mix = alone.draw(x, y)
            assert torch.equal(target.weight, mix.weight)
            assert torch.equal(target.partner, y[mix.partner])
            mean = net.layer2(net.layer1(mix(net.stem(x)))).mean((2, 3))
            torch.testing.assert_close(net(given), net.fc(mean))

    @pytest.mark.parametrize("mixer", [Remix(counts=[9, 1, 1, 1, 1]), CMixUp(bandwidth=1.0)])
    def test_one_that_reads_targets(self, mixer):
        net = mlp()
        x, y = batch_for(net)
        y = y if isinstance(mixer, Remix) else y.double()
        mixup = ManifoldMixUp(net, "1", mixer=mixer, seed=4)
        alone = copy.deepcopy(mixer)
        alone.random.seed, alone.partners = 4, "cycle"
        _, target = mixup(x, y)
        _, expected = alone(x, y)
        assert torch.equal(target.partner, expected.partner)
        assert torch.equal(target.weight, expected.weight)

    def test_masks_become_their_maximum_if_a_layer_is_mixed(self):
        net = Transformer()
        x, y = texts(), labels()
        given, _ = ManifoldMixUp(net, "embedding", maximum="mask", seed=0)(x, y)
        mix = MixUp(2.0, seed=0).draw(x, y)
        assert given["ids"] is x["ids"]
        assert torch.equal(given["mask"], x["mask"] | x["mask"][mix.partner])
        hidden = net.encoder(
            blended(mix, net.embedding(x["ids"])), src_key_padding_mask=~given["mask"]
        )
        torch.testing.assert_close(net(given), net.head(hidden.mean(1)))

    def test_the_learner_sets_the_length_of_an_inner_schedule(self):
        learn = learner(mixer=Schedule(MixUp(), until=0.5))
        mixed = []

        class Watch(Callback):
            def after_loss(self, learn):
                if learn.training:
                    mixed.append(bool((learn.y.weight < 1).any()))

        learn.fit(2, cbs=Watch())
        assert mixed == [True] * 5 + [False] * 5


class TestTheInput:
    @pytest.mark.parametrize(
        ("x", "takes_part"),
        [
            (numbers(12, 6), True),
            (torch.zeros(12, 6, dtype=torch.uint8), True),
            (torch.zeros(12, 6, dtype=torch.int64), False),
            ({"numbers": numbers(12, 6), "categories": torch.zeros(12, 2).long()}, False),
        ],
    )
    def test_by_default_integers_are_left_out(self, x, takes_part):
        mixup = ManifoldMixUp(mlp(), seed=0)
        found = set()
        for _ in range(60):  # without the input, one layer of 5 is missed with 1 in 100,000
            mixup(x, labels())
            found.add(drawn_layer(mixup))
            mixup._hooks.pending = None
        assert found == set(mixup.layers) - (set() if takes_part else {"input"})

    def test_integers_that_were_asked_for_are_rejected(self):
        mixup = ManifoldMixUp(Transformer(), "input", seed=0)
        with pytest.raises(TypeError, match="int64 values cannot be blended"):
            mixup(texts()["ids"], labels())

    def test_it_is_mixed_in_place_on_request(self):
        x, y = batch_for(mlp())
        expected, _ = MixUp(2.0, seed=0)(x, y)
        mixed, _ = ManifoldMixUp(mlp(), "input", seed=0)(x, y, inplace=True)
        assert mixed is x
        assert torch.equal(x, expected)


Pair = namedtuple("Pair", ["first", "second"])


@dataclasses.dataclass
class Output:
    hidden: torch.Tensor
    mask: torch.Tensor | None = None


class Wrap(nn.Module):
    """A layer that returns what ``wrap`` makes of its output."""

    def __init__(self, wrap):
        super().__init__()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(x)


class StoresOutput(nn.Module):
    """A model that stores the output of its layer."""

    def __init__(self, wrap):
        super().__init__()
        self.layer = Wrap(wrap)

    def forward(self, x):
        self.output = self.layer(x)
        return x


class TestNestedOutputs:
    def mixed_output(self, wrap, **options):
        model = StoresOutput(wrap)
        x, y = numbers(12, 6), labels()
        given, _ = ManifoldMixUp(model, "layer", seed=0, **options)(x, y)
        model(given)
        return model.output, x, MixUp(2.0, seed=0).draw(x, y)

    @pytest.mark.parametrize(
        ("wrap", "unwrap"),
        [
            (lambda x: (x, 2 * x), lambda out: out),
            (lambda x: [x, {"twice": 2 * x}], lambda out: (out[0], out[1]["twice"])),
            (lambda x: Pair(x, 2 * x), lambda out: (out.first, out.second)),
            (lambda x: {"a": Output(x), "b": 2 * x}, lambda out: (out["a"].hidden, out["b"])),
        ],
    )
    def test_all_floats_are_mixed_by_one_draw(self, wrap, unwrap):
        found, x, mix = self.mixed_output(wrap)
        assert type(found) is type(wrap(x))
        first, second = unwrap(found)
        torch.testing.assert_close(first, blended(mix, x))
        torch.testing.assert_close(second, blended(mix, 2 * x))

    def test_masks_integers_and_single_numbers_stay(self):
        mask, ids, loss = torch.arange(12) > 3, torch.arange(12), torch.tensor(0.5)
        found, x, mix = self.mixed_output(lambda x: (x, mask, ids, loss, None, 3, "text"))
        torch.testing.assert_close(found[0], blended(mix, x))
        assert found[1] is mask
        assert found[2] is ids
        assert found[3] is loss
        assert found[4:] == (None, 3, "text")

    def test_a_tensor_that_appears_twice_is_mixed_once(self):
        (first, second), _, _ = self.mixed_output(lambda x: (x, x))
        assert first is second

    @pytest.mark.parametrize(
        ("wrap", "error", "message"),
        [
            (
                lambda x: (x, (torch.zeros(2, 12, 4),)),
                ValueError,
                r"layer 'layer', output\[1\]\[0\]: the mix was drawn for 12 samples, but this "
                r"tensor has shape \(2, 12, 4\)",
            ),
            (lambda x: x[:6], ValueError, r"layer 'layer': .* shape \(6, 6\)"),
            (lambda x: (x, {1, 2}), TypeError, r"'layer', output\[1\]: a set cannot be mixed"),
            (lambda x: torch.arange(12), ValueError, "layer 'layer' returns nothing that can be"),
        ],
    )
    def test_what_is_not_clear_is_an_error(self, wrap, error, message):
        with pytest.raises(error, match=message):
            self.mixed_output(wrap)

    def test_boxes_need_feature_maps(self):
        model = StoresOutput(lambda x: x.flatten(2))
        given, _ = ManifoldMixUp(model, "layer", mixer=CutMix(), seed=0)(
            numbers(12, 3, 8, 8), labels()
        )
        with pytest.raises(
            ValueError, match=r"'layer': a tensor of shape \(12, 3, 64\) has no hei"
        ):
            model(given)


class TestChoosing:
    @pytest.mark.parametrize(
        ("layers", "expected"),
        [
            ("layer1", ("layer1",)),
            ("layer?", ("layer1", "layer2")),
            ("*", ("stem", "layer1", "layer2", "fc")),
            ("layer1.*", ("layer1.0", "layer1.1", "layer1.2")),
            ("layer[2].1", ("layer2.1",)),
            (nn.Conv2d, ("stem", "layer1.2", "layer2.1")),
            ((nn.BatchNorm2d, nn.Linear), ("layer1.0", "fc")),
            (["input", "layer1", "layer?"], ("input", "layer1", "layer2")),
        ],
    )
    def test_by_names_patterns_and_types(self, layers, expected):
        assert ManifoldMixUp(CNN(), layers).layers == expected

    def test_by_the_module_itself(self):
        net = CNN()
        assert ManifoldMixUp(net, [net.layer2[0], net.stem]).layers == ("layer2.0", "stem")

    def test_by_default_a_chain_is_mixed_before_its_last_layer(self):
        assert ManifoldMixUp(mlp()).layers == ("input", "0", "1", "2", "3")

    def test_the_repr_shows_layers_and_seed(self):
        text = repr(ManifoldMixUp(mlp(), ["0", "1"], mixer=MixUp(1.0), seed=7))
        assert text.startswith("ManifoldMixUp(mixer=MixUp(alpha=1.0, ")
        assert "layers=('0', '1')" in text
        assert text.endswith("seed=7)")

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: ManifoldMixUp("resnet"), TypeError, "must be an nn.Module, not 'resnet'"),
            (
                lambda: ManifoldMixUp(CNN()),
                ValueError,
                "choose the layers of the CNN to mix: .* 'stem', 'layer1', 'layer2', 'fc'",
            ),
            (lambda: ManifoldMixUp(nn.Sequential(mlp())), ValueError, "choose the layers"),
            (
                lambda: ManifoldMixUp(CNN(), "layr1"),
                ValueError,
                "no layer of the model is 'layr1': did you mean 'layer1'",
            ),
            (
                lambda: ManifoldMixUp(mlp(), "encoder"),
                ValueError,
                "is 'encoder': its layers are '0', '1', '2', '3', '4'",
            ),
            (
                lambda: ManifoldMixUp(mlp(), nn.Conv2d),
                ValueError,
                "no layer of the model is Conv2d",
            ),
            (
                lambda: ManifoldMixUp(mlp(), mlp()[0]),
                ValueError,
                "no layer of the model is Linear: give one of its submodules",
            ),
            (
                lambda: ManifoldMixUp(nn.ModuleDict({"blocks": nn.ModuleList([mlp()])}), "blocks"),
                ValueError,
                r"no layer of the model is 'blocks': did you mean 'blocks\.0'",
            ),
            (
                lambda: ManifoldMixUp(mlp(), 1),
                TypeError,
                "takes names, types and modules, not 1",
            ),
            (lambda: ManifoldMixUp(mlp(), []), ValueError, "at least one layer"),
            (
                lambda: ManifoldMixUp(mlp(), half=True),
                ValueError,
                "ManifoldMixUp cannot mix half a batch",
            ),
            (
                lambda: ManifoldMixUp(mlp(), mixer=MixUp),
                TypeError,
                "mixers such as MixUp\\(\\), not",
            ),
            (lambda: ManifoldMixUp(mlp(), alpha=1.0), TypeError, "alpha"),
            (
                lambda: ManifoldMixUp(mlp(), mixer=Choice([ManifoldMixUp(mlp())], per="batch")),
                ValueError,
                "a ManifoldMixUp cannot draw with a Choice that holds a ManifoldMixUp",
            ),
            (
                lambda: Schedule(ManifoldMixUp(mlp())),
                ValueError,
                "a Schedule cannot draw with ManifoldMixUp: give the other mixers",
            ),
            (
                lambda: ManifoldMixUp(mlp(), mixer=ManifoldMixUp(mlp())),
                ValueError,
                "a ManifoldMixUp cannot draw with ManifoldMixUp",
            ),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, make, error, message):
        with pytest.raises(error, match=message):
            make()

    def test_a_second_batch_is_rejected(self):
        net = mlp()
        x, y = batch_for(net)
        with pytest.raises(ValueError, match="takes the partners from the batch"):
            ManifoldMixUp(net)(x, y, other=(x, y))


class TestAMixThatIsNotApplied:
    """Otherwise, training would silently use mixed targets with unmixed samples."""

    def test_as_the_layer_was_not_called(self):
        net = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, CLASSES)).double()
        net[0].unused = nn.Linear(3, 3)
        given, _ = ManifoldMixUp(net, "0.unused", seed=0)(*batch_for(net))
        with pytest.raises(
            RuntimeError, match=r"layer '0\.unused' was not applied, as this forward"
        ):
            net(given)

    @pytest.mark.parametrize("how", ["not at all", "in evaluation mode", "past its hooks"])
    def test_as_the_model_was_not_called(self, how):
        net = mlp()
        x, y = batch_for(net)
        mixup = ManifoldMixUp(net, "1", seed=0)
        given, _ = mixup(x, y)
        if how == "in evaluation mode":
            net.eval()(given)
        elif how == "past its hooks":
            net.forward(given)
        with pytest.raises(RuntimeError, match="the last mix, for layer '1', was not applied"):
            mixup(x, y)
        mixup(x, y)  # it is reported only once

    def test_as_the_batch_was_left_out_on_purpose(self):
        net = mlp()
        x, y = batch_for(net)
        mixup = ManifoldMixUp(net, "1", seed=0)
        for _ in range(3):
            mixup(x, y)
            mixup.release()
        plain = net(x)
        assert torch.equal(net(x), plain)

    def test_a_forward_pass_that_fails_takes_its_draw_along(self):
        net = mlp()
        x, y = batch_for(net)
        plain = net(x)
        mixup = ManifoldMixUp(net, "1", seed=0)
        mixup(x, y)
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            net(x[:, :2])
        assert torch.equal(net(x), plain)
        mixup(x, y)


class TestWhatIsLeft:
    def assert_nothing_is_left(self, net):
        assert hooks_on(net) == 0
        twin = mlp()
        assert net.state_dict().keys() == twin.state_dict().keys()
        assert len(pickle.dumps(net)) == len(pickle.dumps(twin))
        x, _ = batch_for(net)
        assert torch.equal(copy.deepcopy(net)(x), net(x))

    def test_nothing_after_release(self):
        net = mlp()
        mixup = ManifoldMixUp(net, seed=0)
        assert hooks_on(net) == 0  # before the first draw
        for seed in range(3):
            net(mixup(*batch_for(net, seed))[0])
            assert hooks_on(net) > 0
        mixup.release()
        mixup.release()
        self.assert_nothing_is_left(net)

    def test_nothing_after_the_end_of_with(self):
        net = mlp()
        with ManifoldMixUp(net, seed=0) as mixup:
            assert hooks_on(net) > 0
            x, _ = mixup(*batch_for(net))
            net(x)
        self.assert_nothing_is_left(net)

    def test_nothing_after_an_error_in_the_forward_pass(self):
        net = mlp()
        with ManifoldMixUp(net, "1", seed=0) as mixup:
            x, _ = mixup(*batch_for(net))
            with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
                net(x[:, :2])
        self.assert_nothing_is_left(net)

    def test_a_new_mixer_takes_off_what_a_lost_one_has_left(self):
        net = mlp()
        x, y = batch_for(net)
        ManifoldMixUp(net, "1", seed=0)(x, y)
        gc.collect()
        left = hooks_on(net)
        mixup = ManifoldMixUp(net, "1", seed=0)
        given, _ = mixup(x, y)
        assert hooks_on(net) == left
        hidden = blended(MixUp(2.0, seed=0).draw(x, y), net[:2](x))
        torch.testing.assert_close(net(given), net[2:](hidden))
        mixup.release()
        self.assert_nothing_is_left(net)

    def test_other_hooks_stay(self):
        net, heard = mlp(), []
        net[1].register_forward_hook(lambda *_: heard.append(1))
        with ManifoldMixUp(net, seed=0) as mixup:
            x, _ = mixup(*batch_for(net))
            net(x)
        net(x)
        assert heard == [1, 1]
        assert hooks_on(net) == 1

    @pytest.mark.parametrize(
        "copied",
        [
            copy.deepcopy,
            lambda net: pickle.loads(pickle.dumps(net)),
            lambda net: saved_and_loaded(net),
        ],
    )
    def test_copies_that_are_made_meanwhile_mix_nothing(self, copied):
        net = mlp()
        x, y = batch_for(net)
        plain = net(x)
        mixup = ManifoldMixUp(net, "1", seed=0)
        mixup(x, y)
        twin = copied(net)
        assert torch.equal(twin(x), plain)
        assert not torch.allclose(net(x), plain)  # the copy did not use up the draw

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
    def test_the_mixer_itself_is_not_copied(self, copied):
        with pytest.raises(TypeError, match="belongs to its model and cannot be copied or pickled"):
            copied(ManifoldMixUp(mlp()))


def saved_and_loaded(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


class TestState:
    def test_it_continues_from_a_state(self):
        def draws(mixup, times):
            found = []
            for _ in range(times):
                _, target = mixup(*batch_for(None))
                found.append((drawn_layer(mixup), target.weight.tolist(), target.partner.tolist()))
                mixup.release()
            return found

        mixup, later = ManifoldMixUp(mlp(), seed=0), ManifoldMixUp(mlp(), seed=9)
        draws(mixup, 7)
        assert mixup.state_dict() == {"seed": 0, "draws": 7}
        later.load_state_dict(mixup.state_dict())
        expected = draws(mixup, 12)
        assert draws(later, 12) == expected
        assert len({layer for layer, *_ in expected}) > 1


class Blocks(nn.Module):
    """As in the transformers library: each block is checkpointed by the model."""

    def __init__(self, reentrant=None, in_pairs=False):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Linear(6, 8)
        blocks = [
            nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 8))
            for _ in range(4)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(8, CLASSES)
        self.reentrant, self.in_pairs = reentrant, in_pairs
        self.double()

    def forward(self, x):
        hidden = self.stem(x)
        parts = self.blocks
        if self.in_pairs:
            parts = [nn.Sequential(*self.blocks[:2]), nn.Sequential(*self.blocks[2:])]
        for part in parts:
            if self.reentrant is None:
                hidden = part(hidden)
            else:
                hidden = checkpoint(part, hidden, use_reentrant=self.reentrant)
        return self.head(hidden)


WAYS = ["pass by pass", "drawn ahead", "one backward pass for all", "twice"]


def train(net, layers, way="pass by pass", called=None, steps=5):
    """The gradients that several batches add up to."""
    called = net if called is None else called
    mixup = ManifoldMixUp(net, layers, seed=3)
    torch.manual_seed(0)  # of dropout
    losses, ahead = [], mixup(*batch_for(None)) if way == "drawn ahead" else None
    for seed in range(steps):
        x, y = ahead or mixup(*batch_for(None, seed))
        losses.append(loss_of(called(x), y))
        if way == "drawn ahead":
            ahead = mixup(*batch_for(None, seed + 1))
        if way == "twice":
            losses[-1].backward(retain_graph=True)
        if way != "one backward pass for all":
            losses[-1].backward()
    if way == "one backward pass for all":
        called(batch_for(None)[0])
        losses.append(loss_of(called(x), y))  # without a draw
        torch.stack(losses).sum().backward()
    return grads(net)


class TestGradientCheckpointing:
    """What the backward pass recomputes is mixed as in the forward pass."""

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("reentrant", [True, False])
    @pytest.mark.parametrize("layers", ["blocks.?", "blocks.?.1", ["input", "stem", "blocks.?"]])
    def test_it_does_not_change_the_gradients(self, layers, reentrant, way):
        expected = train(Blocks(), layers, way)
        for in_pairs in (False, True):
            if way == "twice" and reentrant and in_pairs:
                continue
            assert_same(train(Blocks(reentrant, in_pairs), layers, way), expected)

    def test_of_the_whole_model(self):
        net = Blocks()
        called = partial(checkpoint, net, use_reentrant=False)
        for way in WAYS:
            net.zero_grad()
            found = {name: grad.clone() for name, grad in train(net, "*", way, called).items()}
            assert_same(found, train(Blocks(), "*", way))

    def test_of_parts_inside_of_parts(self):
        net = Blocks(reentrant=False)
        called = partial(checkpoint, net, use_reentrant=False)
        assert_same(train(net, "blocks.?.1", called=called), train(Blocks(), "blocks.?.1"))

    def test_reentrant_of_the_whole_model_is_rejected(self):
        net = Blocks()
        x, y = ManifoldMixUp(net, "blocks.?", seed=0)(*batch_for(None))
        output = checkpoint(net, x.requires_grad_(), use_reentrant=True)
        with pytest.raises(RuntimeError, match="recomputes the whole model, and does not know"):
            loss_of(output, y).backward()

    def test_of_a_layer_that_is_called_several_times_is_rejected(self):
        net = Blocks(reentrant=False)
        net.blocks[1] = net.blocks[0]
        x, y = ManifoldMixUp(net, "blocks.0", seed=0)(*batch_for(None))
        loss = loss_of(net(x), y)
        with pytest.raises(RuntimeError, match=r"layer 'blocks\.0' is called 2 times"):
            loss.backward()

    def test_a_backward_pass_that_fails_mixes_nothing_later(self):
        net = Blocks(reentrant=False).eval()
        x, _ = batch_for(None)
        hidden = net.stem(x).detach()
        plain, alone = net(x), net.blocks[0](hidden)
        mixup = ManifoldMixUp(net.train(), "blocks.0", seed=0)
        given, y = mixup(*batch_for(None))
        output = net(given)
        output.register_hook(lambda grad: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loss_of(output, y).backward()
        net.eval()
        assert torch.equal(net.blocks[0](hidden), alone)
        assert torch.equal(net(x), plain)

    def test_in_the_transformers_library(self):
        transformers = pytest.importorskip("transformers")
        config = transformers.BertConfig(
            vocab_size=30, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=10, num_labels=CLASSES,
        )  # fmt: skip
        x, y, found = texts(), labels(), []
        for reentrant in (None, True, False):
            torch.manual_seed(0)
            net = transformers.BertForSequenceClassification(config).double().train()
            if reentrant is not None:
                net.gradient_checkpointing_enable({"use_reentrant": reentrant})
            layers = ["bert.embeddings", "bert.encoder.layer.?", "bert.encoder", "bert"]
            mixup, torch_seed = ManifoldMixUp(net, layers, maximum="mask", seed=1), 5
            torch.manual_seed(torch_seed)
            for _ in range(6):
                given, target = mixup(x, y)
                output = net(input_ids=given["ids"], attention_mask=given["mask"])
                loss_of(output.logits, target).backward()
            found.append(grads(net))
        assert_same(found[1], found[0])
        assert_same(found[2], found[0])


COMPILED = {
    "compiled": lambda net, **how: torch.compile(net, **how),
    "compiled in place": lambda net, **how: (net.compile(**how), net)[1],
}


@pytest.fixture
def dynamo():
    torch._dynamo.reset()
    yield torch._dynamo
    torch._dynamo.reset()


class Custom(nn.Module):
    """Unlike a module of torch's own, it has code that is compiled by itself."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, CLASSES)
        self.middle = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
        self.double()

    def forward(self, x):
        return self.last(self.middle(self.first(x).relu()))


@pytest.mark.usefixtures("dynamo")
class TestCompiled:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("make", "layers", "how", "given"),
        [
            (mlp, ["input", "1", "3"], "compiled", "the compiled model"),
            pytest.param(
                *(Custom, ["input", "first", "middle.0"], "compiled", "the model inside"),
                marks=pytest.mark.slow,
            ),
            pytest.param(
                *(Custom, ["input", "first", "middle"], "compiled in place", "the model inside"),
                marks=pytest.mark.slow,
            ),
        ],
    )
    def test_one_graph_for_each_layer(self, make, layers, how, given):
        eager, net = make(), make()
        counter = CompileCounterWithBackend("aot_eager")
        called = COMPILED[how](net, backend=counter, fullgraph=True)
        mixups = [
            ManifoldMixUp(model, layers, seed=0)
            for model in (eager, called if given == "the compiled model" else net)
        ]
        for seed in range(12):
            for model, mixup in zip((eager, called), mixups, strict=True):
                x, y = mixup(*batch_for(None, seed))
                loss_of(model(x), y).backward()
        assert_same(grads(net), grads(eager))
        x, _ = batch_for(None, 99)
        assert torch.equal(called.eval()(x), eager.eval()(x))
        # One for each layer, one where nothing is mixed inside, and one for evaluation.
        assert counter.frame_count <= len(mixups[0].layers) + 1

    @pytest.mark.slow
    def test_hooks_that_are_reattached_cause_no_recompilation(self):
        eager, net = mlp(), mlp()
        called = torch.compile(net, backend="aot_eager", fullgraph=True)
        mixups = [ManifoldMixUp(model, ["1", "3"], seed=0) for model in (eager, net)]
        for _ in range(3):
            for seed in range(3):
                for model, mixup in zip((eager, called), mixups, strict=True):
                    x, y = mixup(*batch_for(None, seed))
                    loss_of(model(x), y).backward()
            for mixup in mixups:
                mixup.release()
        assert_same(grads(net), grads(eager))

    @pytest.mark.parametrize("make", [mlp, Custom])
    def test_hooks_that_come_too_late_are_missed(self, make, dynamo):
        net = make()
        x, y = batch_for(None)
        called = torch.compile(net, backend="aot_eager")
        called(x)
        mixup = ManifoldMixUp(net, nn.Linear, seed=0)

        def train():
            for _ in range(2):
                given, target = mixup(x, y)
                loss_of(called(given), target)

        with pytest.raises(RuntimeError, match=r"was not applied.* torch\.compiler\.reset\(\)"):
            train()
        dynamo.reset()
        train()

    def compiled_step(self, **how):
        net = Custom()
        mixup = ManifoldMixUp(net, nn.Linear, seed=0)

        def step(x, y):
            x, y = mixup(x, y)
            return loss_of(net(x), y)

        return torch.compile(step, backend="aot_eager", **how)

    def test_a_step_that_draws_is_not_one_graph(self):
        # torch 2.6 reports only that there was an exception.
        with pytest.raises(Exception, match=r"call ManifoldMixUp outside|Observed exception"):
            self.compiled_step(fullgraph=True)(*batch_for(None))

    @pytest.mark.slow
    @pytest.mark.skipif(torch.__version__.startswith("2.6"), reason="it cannot compile get_rank")
    def test_a_step_that_draws_is_compiled_in_parts(self):
        eager = Custom()
        x, y = batch_for(None)
        given, target = ManifoldMixUp(eager, nn.Linear, seed=0)(x, y)
        torch.testing.assert_close(self.compiled_step()(x, y), loss_of(eager(given), target))

    @pytest.mark.slow
    @pytest.mark.parametrize("reentrant", [True, False])
    def test_blocks_that_are_compiled_one_by_one_and_checkpointed(self, reentrant):
        net = Blocks(reentrant)
        counter = CompileCounterWithBackend("aot_eager")
        for block in net.blocks:
            block[2].p = 0.0
            block.compile(backend=counter, fullgraph=True)
        eager = Blocks()
        for block in eager.blocks:
            block[2].p = 0.0
        for way in WAYS[:3]:
            assert_same(train(net, "blocks.?", way), train(eager, "blocks.?", way))
        # The blocks share compiled code, which mixes or not, in a forward pass or a recomputation.
        assert counter.frame_count <= 4

    @pytest.mark.slow
    @pytest.mark.parametrize(("reentrant", "way"), [(True, "pass by pass"), (False, "drawn ahead")])
    def test_a_whole_model_that_checkpoints_its_blocks(self, reentrant, way):
        net, eager = Blocks(reentrant), Blocks()
        for block in (*net.blocks, *eager.blocks):
            block[2].p = 0.0
        called = torch.compile(net, backend="aot_eager")
        layers = ["input", "blocks.1", "blocks.3"]
        assert_same(train(net, layers, way, called), train(eager, layers, way))

    @pytest.mark.slow
    def test_one_graph_with_checkpoints_in_it(self, dynamo):
        name = "skip_fwd_side_effects_in_bwd_under_checkpoint"
        if not hasattr(dynamo.config, name):
            pytest.skip("this version of torch has no such setting")
        net, eager = Blocks(reentrant=False), Blocks()
        for block in (*net.blocks, *eager.blocks):
            block[2].p = 0.0
        called = torch.compile(net, backend="aot_eager", fullgraph=True)
        layers, way = ["input", "blocks.1", "blocks.3.1"], "one backward pass for all"
        with dynamo.config.patch({name: True}):
            assert_same(train(net, layers, way, called), train(eager, layers, way))


def learner(cbs=(), model=None, mixer=None, layers=None, **options):
    """A training of 5 batches an epoch."""
    x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    y = torch.arange(60) % CLASSES
    dls = DataLoaders.from_tensors(x[:50], y[:50], x[50:], y[50:], bs=10, device="cpu", seed=1)
    model = mlp(torch.float32) if model is None else model
    mixup = ManifoldMixUp(model, layers, mixer=mixer, seed=0)
    return Learner(dls, model, cbs=[mixup, *cbs], **options)


class Fails(Callback):
    def __init__(self, event, batch=3):
        setattr(self, event, self.fail)
        self.left = batch

    def fail(self, learn):
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is full")


class TestLearner:
    def test_trains_as_a_loop_does(self):
        learn, model = learner(opt_func=torch.optim.SGD), mlp(torch.float32)
        mixup, dls = ManifoldMixUp(model, seed=0), learner().dls
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        learn.fit(2, 0.1)
        for _ in range(2):
            for x, y in dls.train:
                x, y = mixup(x, y)
                loss_of(model(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
        for found, expected in zip(learn.model.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(found, expected)

    def test_nothing_is_left_on_the_model(self):
        learn = learner()
        learn.fit(1)
        assert hooks_on(learn.model) == 0
        learn.fit_one_cycle(1)
        assert hooks_on(learn.model) == 0

    @pytest.mark.parametrize("event", ["before_batch", "before_pred", "after_loss", "before_step"])
    def test_nothing_is_left_after_an_error(self, event):
        learn = learner()
        with pytest.raises(OSError, match="the disk is full"):
            learn.fit(1, cbs=Fails(event))
        assert hooks_on(learn.model) == 0
        learn.fit(1)

    def test_validation_is_not_mixed(self):
        learn = learner(lr=0.0)
        plain = learn.validate()["valid_loss"]
        learn.fit(2)
        assert [row["valid_loss"] for row in learn.history] == [plain, plain]
        assert all(row["train_loss"] > 0 for row in learn.history)

    def test_batches_that_are_cancelled_after_the_draw_are_forgotten(self):
        class LeavesSomeOut(Callback):
            order = 60

            def before_batch(self, learn):
                self.count = getattr(self, "count", 0) + 1
                if learn.training and self.count % 2:
                    raise CancelBatch

        learn = learner([LeavesSomeOut()], layers=["1", "2"])
        learn.fit(3)
        assert hooks_on(learn.model) == 0

    def test_looking_for_a_learning_rate_leaves_everything_as_it_was(self):
        learn = learner()
        before = learn.cbs[0].mixer.state_dict()
        learn.lr_find(num_it=20)
        assert hooks_on(learn.model) == 0
        assert learn.cbs[0].mixer.state_dict() == before
        learn.fit(1)

    def test_a_resumed_training_continues_with_the_same_draws(self, tmp_path):
        whole = learner()
        whole.fit(3, 0.05)
        stopped = learner()
        with pytest.raises(OSError, match="the disk is full"):
            stopped.fit(3, 0.05, cbs=[Checkpoint(tmp_path / "c"), Fails("before_batch", 14)])
        again = learner()
        again.fit(3, 0.05, cbs=[Checkpoint(tmp_path / "c", resume=True)])
        assert len(again.history) == 3
        for found, expected in zip(again.model.parameters(), whole.model.parameters(), strict=True):
            assert torch.equal(found, expected)

    @pytest.mark.slow
    @pytest.mark.usefixtures("dynamo")
    def test_compiled(self, monkeypatch):
        compile = torch.compile
        monkeypatch.setattr(torch, "compile", lambda net: compile(net, backend="aot_eager"))
        eager, compiled = learner(), learner(compile=True)
        for learn in (eager, compiled):
            learn.fit(1)
            learn.fit(2)
        pairs = zip(compiled.model.parameters(), eager.model.parameters(), strict=True)
        for found, expected in pairs:
            torch.testing.assert_close(found, expected)


SCRIPT = """
import gc, sys
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from vicinal import DataLoaders, Learner, ManifoldMixUp, MixLoss

def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 5))

def train(model, called, mixup, batches):
    layers, weights = [], []
    for x, y in batches:
        given, target = mixup(x, y)
        layers.append("input" if mixup._hooks.pending is None else mixup._hooks.pending.layer)
        weights.append(target.weight)
        MixLoss(nn.CrossEntropyLoss())(called(given), target).backward()
    grads = torch.cat([p.grad.flatten() for p in model.parameters()])
    return {"layers": layers, "weights": torch.stack(weights), "grads": grads}

distributed.init_process_group("gloo")
rank = distributed.get_rank()
g = torch.Generator().manual_seed(rank)
batches = [(torch.randn(12, 6, generator=g), torch.arange(12) % 5) for _ in range(10)]
left = {}
for given in ("the model", "the wrapped model"):
    model = network()
    called = DistributedDataParallel(model)
    mixup = ManifoldMixUp(called if given == "the wrapped model" else model, seed=0)
    left[given] = train(model, called, mixup, batches)
model = network()
left["before it is wrapped"] = train(
    model, *(lambda m: (DistributedDataParallel(model), m))(ManifoldMixUp(model, seed=0)), batches
)
alone = network()
left["alone"] = train(alone, alone, ManifoldMixUp(alone, seed=0), batches)

x, y = torch.randn(64, 6, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 5
dls = DataLoaders.from_tensors(x[:48], y[:48], x[48:], y[48:], bs=8, device="cpu")
model = network()
Learner(dls, model, cbs=ManifoldMixUp(model)).fit(2)
left["trained"] = torch.cat([p.detach().flatten() for p in model.parameters()])
left["hooks"] = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
torch.save(left, Path(sys.argv[1]) / f"{rank}.pt")
del called, mixup  # which have the group, whose threads would abort the process at its end
distributed.destroy_process_group()
gc.collect()
"""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What both processes have left."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "script.py").write_text(SCRIPT)
    done = launch(folder / "script.py", folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.slow
class TestTwoProcesses:
    @pytest.mark.parametrize("given", ["the model", "the wrapped model", "before it is wrapped"])
    def test_gradients_are_the_mean_of_those_of_each(self, left, given):
        expected = sum(each["alone"]["grads"] for each in left) / 2
        for each in left:
            torch.testing.assert_close(each[given]["grads"], expected)

    def test_mixes_and_layers_differ(self, left):
        own, others = (each["the model"] for each in left)
        assert not own["weights"].equal(others["weights"])
        assert own["layers"] != others["layers"]

    def test_a_learner_leaves_the_same_network_everywhere(self, left):
        own, others = left
        torch.testing.assert_close(own["trained"], others["trained"])
        assert own["hooks"] == others["hooks"] == 0
