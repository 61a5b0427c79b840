"""torch.compile: a step that mixes is one graph, and its results equal those in eager mode."""

import copy

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from vicinal import Choice, CutMix, FMix, GridMix, MixLoss, MixUp, ResizeMix, Schedule, SmoothMix

MIXERS = {
    "MixUp": MixUp,
    "MixUp of one weight": lambda **o: MixUp(1.0, folded=False, per="batch", **o),
    "CutMix": CutMix,
    "CutMix at times": lambda **o: CutMix(p=0.5, minmax=(0.2, 0.7), **o),
    "FMix": FMix,
    "GridMix": GridMix,
    "ResizeMix": ResizeMix,
    "SmoothMix": SmoothMix,
    "Choice": lambda **o: Choice([MixUp(1.0), CutMix()], [0.4, 0.4], **o),
    "Schedule": lambda **o: Schedule(MixUp(), alpha=(0.0, 2.0), until=0.7, steps=4, **o),
    "pairs": lambda **o: CutMix(partners="pairs", **o),
    "half": lambda **o: MixUp(half=True, **o),
}


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    torch._dynamo.reset()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 7, 5))


def batch(count=12, seed=0):
    """No two sides are equal: a compiler takes equal ones for the same, until they differ."""
    g = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, 8, 9, generator=g), torch.randint(5, (count,), generator=g)


class Training:
    """A network, a mixer, and the step that is compiled, or not."""

    def __init__(self, mixer, backend=None, *, dynamic=None, loss=None, **how):
        self.mixer, self.model, self.how = mixer, network(), how
        self.loss_func = MixLoss(loss or nn.CrossEntropyLoss())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.losses = self.forward
        if backend:
            self.losses = torch.compile(
                self.forward, fullgraph=True, backend=backend, dynamic=dynamic
            )

    def forward(self, x, y):
        x, y = self.mixer(x, y, **self.how)
        return self.loss_func(self.model(x), y)

    def step(self, x, y):
        loss = self.losses(x.clone(), y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def parameters(self):
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])


def assert_same_training(eager, compiled, batches):
    for x, y in batches:
        assert torch.allclose(eager.step(x, y), compiled.step(x, y), atol=1e-6)
        assert torch.allclose(eager.parameters(), compiled.parameters(), atol=1e-5)
        assert compiled.mixer.state_dict() == eager.mixer.state_dict()


@pytest.mark.parametrize(
    ("kind", "inplace"),
    [
        ("MixUp", False),
        ("CutMix", False),
        pytest.param("MixUp", True, marks=pytest.mark.slow),
        *(
            pytest.param(kind, inplace, marks=pytest.mark.slow)
            for kind in ("Choice", "Schedule", "pairs", "half")
            for inplace in (False, True)
        ),
    ],
)
def test_a_training_of_one_graph(kind, inplace):
    """Two epochs, their last batches smaller: one graph, and one more for every size."""
    counter = CompileCounterWithBackend("aot_eager")
    eager = Training(MIXERS[kind](seed=0), inplace=inplace)
    compiled = Training(MIXERS[kind](seed=0), counter, inplace=inplace)
    batches = [batch(count, seed=i) for i, count in enumerate([12, 12, 7, 12, 12, 6, 14])]
    assert_same_training(eager, compiled, batches)
    assert compiled.mixer.random.draws == 7
    # Half of an odd batch and of an even one are different things in place.
    assert counter.frame_count <= (3 if kind == "half" and inplace else 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CutMix", "Choice"])
@torch._dynamo.config.patch(error_on_recompile=True)
def test_a_graph_for_batches_of_any_size(kind):
    eager = Training(MIXERS[kind](seed=0))
    compiled = Training(MIXERS[kind](seed=0), "aot_eager", dynamic=True)
    assert_same_training(eager, compiled, [batch(n, seed=n) for n in (12, 7, 6, 14)])


@pytest.mark.slow
def test_with_inductor():
    eager, compiled = (Training(MIXERS["Choice"](seed=0), b) for b in (None, "inductor"))
    assert_same_training(eager, compiled, [batch(seed=0), batch(7, seed=1), batch(6, seed=2)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.arange(1.0, 6.0)),
        nn.CrossEntropyLoss(reduction="sum", ignore_index=3),
    ],
)
def test_with_other_losses(loss):
    eager, compiled = (Training(MixUp(seed=0), b, loss=loss) for b in (None, "aot_eager"))
    assert_same_training(eager, compiled, [batch(seed=0), batch(seed=1)])


def compile_whole(function):
    return torch.compile(function, fullgraph=True, backend="aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize("inplace", [False, True])
@torch._dynamo.config.patch(error_on_recompile=True)
def test_nested_batches(inplace):
    eager, mixer = (CutMix(fields="image", seed=0) for _ in range(2))

    @compile_whole
    def step(x, y):
        return mixer(x, y, inplace=inplace)

    for seed in range(3):
        image, label = batch(seed=seed)
        x = {"image": image.clone(), "name": "text", "id": torch.arange(12)}
        mixed, target = step(x, {"y": label})
        expected, wanted = eager(x | {"image": image}, {"y": label})
        assert torch.equal(mixed["image"], expected["image"])
        assert (mixed["image"] is x["image"]) == inplace
        assert mixed["name"] == "text"
        assert torch.equal(mixed["id"], x["id"])
        assert torch.equal(target["y"].weight, wanted["y"].weight)
        assert torch.equal(target["y"].partner, wanted["y"].partner)


@pytest.mark.parametrize("make", [MixUp, pytest.param(MIXERS["Choice"], marks=pytest.mark.slow)])
def test_a_second_batch(make):
    eager, mixer = make(seed=0), make(seed=0)
    step = compile_whole(lambda x, y, other: mixer(x, y, other=other))
    for seed in range(2):
        (x, y), other = batch(seed=seed), batch(seed=seed + 9)
        mixed, target = step(x, y, other)
        expected, wanted = eager(x, y, other=other)
        assert torch.allclose(mixed, expected, atol=1e-6)
        assert torch.equal(target.partner, wanted.partner)


OUTSIDE = ("CutMix", "FMix", "ResizeMix", "SmoothMix", "Choice")


@pytest.mark.parametrize(
    "kind", ["MixUp", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OUTSIDE)]
)
def test_a_mix_that_was_drawn_outside(kind):
    """It is an argument like any tensor; one of another batch needs no other graph."""
    counter = CompileCounterWithBackend("aot_eager")

    @torch.compile(fullgraph=True, backend=counter)
    def step(mix, x, y):
        return mix(x * 2), mix.target(y)

    mixer = MIXERS[kind](seed=0)
    for seed in range(3):
        x, y = batch(seed=seed)
        mix = mixer.draw(x, y)
        mixed, target = step(mix, x, y)
        assert torch.allclose(mixed, mix(x * 2), atol=1e-6)
        assert torch.equal(target.partner, y[mix.partner])
        assert torch.equal(target.weight, mix.weight)
    # torch 2.6 recompiles for each callable object among the arguments.
    assert counter.frame_count == 1 or torch.__version__.startswith("2.6")


@pytest.mark.slow
@pytest.mark.parametrize("kind", MIXERS)
@torch._dynamo.config.patch(error_on_recompile=True)
def test_drawing_inside_and_applying_outside(kind):
    eager, mixer = MIXERS[kind](seed=0), MIXERS[kind](seed=0)
    draw = compile_whole(lambda x, y: mixer.draw(x, y))
    for seed in range(3):
        x, y = batch(seed=seed)
        found, wanted = draw(x, y), eager.draw(x, y)
        assert all(map(torch.equal, found.tensors(), wanted.tensors()))
        if kind != "half":
            assert torch.equal(found(x), wanted(x))


@pytest.mark.parametrize("make", [MixUp, CutMix])
def test_uint8_images_are_normalized(make):
    eager, mixer = make(seed=0), make(seed=0)

    @compile_whole
    def step(x, y):
        mix = mixer.draw(x, y)
        return mix(x), mix.normalized(x, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4], dtype=torch.bfloat16)

    x, y = batch()
    x = (x * 255).to(torch.uint8)
    mix = eager.draw(x, y)
    mixed, normalized = step(x, y)
    expected = mix.normalized(x, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4], dtype=torch.bfloat16)
    assert torch.equal(mixed, mix(x))
    assert torch.allclose(normalized.float(), expected.float(), rtol=2**-7)


def test_hidden_activations_in_the_middle_of_a_network():
    """Manifold mixup: the gradients reach both parents."""
    first, last, x = nn.Linear(6, 7), nn.Linear(7, 5), torch.randn(8, 6)
    y, loss_func, grads = torch.randint(5, (8,)), MixLoss(nn.CrossEntropyLoss()), []
    for compiled in (False, True):
        mixer = MixUp(1.0, seed=0)

        def forward(x, y, mixer=mixer):
            hidden, target = mixer(first(x).relu(), y)
            return loss_func(last(hidden), target)

        loss = (compile_whole(forward) if compiled else forward)(x, y)
        grads.append(torch.autograd.grad(loss, [first.weight, last.weight]))
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*grads, strict=True))


class TestState:
    def draws(self, step, times):
        x = torch.empty(6, 2)
        return [step(x).clone() for _ in range(times)]

    def test_it_continues_from_a_state(self):
        mixer, eager = MixUp(seed=0), MixUp(seed=0)
        step = compile_whole(lambda x: mixer.draw(x).weight)
        expected = self.draws(lambda x: eager.draw(x).weight, 6)
        found = self.draws(step, 3)
        state = mixer.state_dict()
        assert state == {"seed": 0, "draws": 3}
        found += self.draws(step, 3)
        assert all(map(torch.equal, found, expected))
        mixer.load_state_dict(state)
        assert all(map(torch.equal, self.draws(step, 3), expected[3:]))
        assert torch.equal(
            mixer.draw(torch.empty(6, 2)).weight, eager.draw(torch.empty(6, 2)).weight
        )

    def test_with_and_without_a_compiler_in_turns(self):
        mixer, eager = MixUp(seed=0), MixUp(seed=0)
        step = compile_whole(lambda x: mixer.draw(x).weight)
        expected = self.draws(lambda x: eager.draw(x).weight, 6)
        turns = [step, lambda x: mixer.draw(x).weight] * 3
        assert all(map(torch.equal, [turn(torch.empty(6, 2)) for turn in turns], expected))

    @pytest.mark.slow
    def test_several_mixers_through_one_function(self):
        step = compile_whole(lambda mixer, x: mixer.draw(x).weight)
        mixers = [MixUp(seed=0), MixUp(seed=1), copy.deepcopy(MixUp(seed=0))]
        found = [[step(mixer, torch.empty(6, 2)).clone() for mixer in mixers] for _ in range(3)]
        for i, eager in enumerate([MixUp(seed=0), MixUp(seed=1), MixUp(seed=0)]):
            expected = self.draws(lambda x, eager=eager: eager.draw(x).weight, 3)
            assert all(map(torch.equal, [row[i] for row in found], expected))

    def test_torchs_own_generator_is_neither_read_nor_moved(self):
        mixer = CutMix(seed=0)
        step = compile_whole(lambda x: mixer.draw(x).weight)
        step(torch.empty(6, 3, 8, 8))
        before = torch.get_rng_state()
        found = step(torch.empty(6, 3, 8, 8))
        assert torch.equal(torch.get_rng_state(), before)
        eager = CutMix(seed=0)
        eager.draw(torch.empty(6, 3, 8, 8))
        assert torch.equal(found, eager.draw(torch.empty(6, 3, 8, 8)).weight)


@pytest.mark.slow
def test_a_tensor_that_is_also_the_target_is_copied():
    eager, mixer = MixUp(seed=0), MixUp(seed=0)
    step = compile_whole(lambda a, b: mixer({"a": a, "b": b}, b, inplace=True))
    a, b = torch.rand(2, 6, 3)
    expected, wanted = eager({"a": a, "b": b}, b)
    before = b.clone()
    mixed, target = step(a, b)
    assert torch.allclose(mixed["b"], expected["b"])
    assert torch.equal(target.own, before)
    assert torch.equal(target.partner, wanted.partner)


@pytest.mark.parametrize("inplace", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_images_with_their_channels_last_and_their_masks(inplace):
    eager, mixer = (Choice([MixUp(), CutMix()], seed=0) for _ in "ab")
    x, masks = torch.rand(6, 12, 9, 3), torch.randint(5, (6, 12, 9))
    expected, wanted = eager(x.clone(), masks)
    mixed, target = compile_whole(lambda x, y: mixer(x, y, inplace=inplace))(x, masks)
    assert torch.allclose(mixed, expected, atol=1e-6)
    assert torch.equal(target.own, wanted.own)
    assert torch.equal(target.weight, wanted.weight)


def test_the_operation_keeps_torchs_rules():
    """Compilers rely on them: no input is changed or returned, and shapes are as announced."""
    images = (MixUp(seed=0), CutMix(seed=0), Choice([MixUp(), CutMix()], seed=0))
    for mixer, size in [*((each, [8, 9]) for each in images), (CutMix(dim=-3, seed=0), [7, 8, 9])]:
        counter = torch.zeros(1, dtype=torch.int64)
        arguments = counter, mixer._op_id, 6, size, torch.device("cpu")
        torch.library.opcheck(torch.ops.vicinal.draw.default, arguments)
        assert counter == 0
        assert mixer.random.draws == 0
