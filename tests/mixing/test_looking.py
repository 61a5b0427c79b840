"""Methods that look with a model: whose it is, and what the extra pass leaves unchanged."""

import copy
import pickle
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from vicinal import (
    Callback,
    Checkpoint,
    Choice,
    DataLoaders,
    Learner,
    MixCollate,
    MixUp,
    PuzzleMix,
    Schedule,
    SnapMix,
    TransMix,
    VicinalError,
    ZetaMixUp,
)
from vicinal.mixing.blend import Blend
from vicinal.mixing.looking import evaluation, lend, look, look_back


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


X, Y = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2


def learner(bs=4):
    return Learner(DataLoaders.from_tensors(X, Y, X, Y, bs=bs, device="cpu"), network())


def test_the_extra_pass_leaves_no_trace():
    model = network().train()
    model[1].eval()  # frozen, as in fine-tuning
    modes = [module.training for module in model.modules()]
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    mixed, _ = SnapMix(model, seed=0)(X, Y)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not mixed.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_modes_come_back_after_an_error():
    model = network().train()
    with pytest.raises(RuntimeError), evaluation(model):
        model(torch.rand(1, 7))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: Schedule(m), lambda m: Choice([m])])
def test_a_learner_lends_its_model_for_the_time_of_a_training(wrap):
    learn, mixer = learner(), wrap(SnapMix(seed=0))
    learn.fit(1, cbs=mixer)
    (inner,) = [m for m in mixer.nested() if isinstance(m, SnapMix)]
    assert inner._lent is None
    with pytest.raises(ValueError, match="SnapMix looks with a model and has none: give it the"):
        inner(X, Y)


def vit():
    timm = pytest.importorskip("timm")
    sizes = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2}
    return timm.models.VisionTransformer(**sizes, in_chans=1, num_classes=2)


@pytest.mark.parametrize(
    ("make", "model"), [(SnapMix, network), (PuzzleMix, network), (TransMix, vit)]
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda make, model: Choice([MixUp(1.0), make(model)], per="batch", seed=0),
        lambda make, model: Choice([MixUp(1.0), make(model)], p=[0, 0.5], per="batch", seed=0),
        lambda make, model: Schedule(make(model), until=0.5, steps=20, seed=0),
        lambda make, model: make(model, per="batch", p=0.5, seed=0),
    ],
    ids=["turns", "or none", "end", "p"],
)
def test_there_is_a_pass_for_batches_of_which_something_is_mixed_by_it(make, model, wrap):
    passes = []
    model = model().eval()
    model.register_forward_hook(lambda *_: passes.append(1))
    mixer, needed = wrap(partial(make, alpha=8.0), model), 0
    for _ in range(20):
        before = len(passes)
        (pattern,) = [p for p in mixer.draw(X, Y).patterns if not isinstance(p, Blend)]
        is_needed = bool((pattern.weight < 1).any())
        assert (len(passes) > before) == is_needed
        needed += is_needed
    assert 4 <= needed <= 16


def test_a_given_model_is_kept():
    mine = network()
    mixer = SnapMix(mine)
    lend(mixer, network())
    assert mixer.looking[0] is mine


def test_the_pass_is_in_the_precision_of_the_training():
    learn, seen = learner(), []
    learn.model[0].register_forward_hook(
        lambda module, args, output: seen.append((output.dtype, learn.model.training))
    )
    learn.to_bf16().fit(1, cbs=SnapMix(seed=0))
    assert {dtype for dtype, _ in seen} == {torch.bfloat16}


class StopAt(Callback):
    def before_batch(self, learn):
        if learn.training and (learn.epoch, learn.iter) == (1, 1):
            raise KeyboardInterrupt


def test_a_resumed_training_has_the_same_weights(tmp_path):
    def trained(cbs, **options):
        learn = learner()
        learn.fit(2, 0.1, cbs=[SnapMix(seed=0), *cbs])
        return learn.model.state_dict()

    torch.manual_seed(1)
    whole = trained([Checkpoint(tmp_path / "whole")])
    torch.manual_seed(1)
    with pytest.raises(KeyboardInterrupt):
        trained([Checkpoint(tmp_path / "file"), StopAt()])
    torch.manual_seed(5)
    resumed = trained([Checkpoint(tmp_path / "file", resume=True)])
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


class InWorkers(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return X[index], Y[index]


@pytest.mark.slow
def test_in_a_loaders_worker_there_is_one_sentence():
    loader = torch.utils.data.DataLoader(
        InWorkers(), batch_size=4, num_workers=1, collate_fn=MixCollate(SnapMix(network()))
    )
    with pytest.raises(ValueError, match="SnapMix cannot look in a data loader's worker"):
        next(iter(loader))


@pytest.mark.slow
def test_inside_of_autocast_shares_are_not_rounded():
    mixer = SnapMix(network().eval(), seed=0)
    expected = mixer.draw(X, Y).weight
    mixer.random.count -= 1
    with torch.autocast("cpu", torch.bfloat16):
        found = mixer.draw(X, Y).weight
    assert torch.allclose(found, expected, atol=0.02)  # of features in bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = ZetaMixUp(seed=0)(torch.eye(6), torch.zeros(6))
    assert torch.allclose(mixed.sum(1), torch.ones(6))


@pytest.mark.slow
def test_inside_of_autocast_the_training_pass_keeps_its_gradients():
    model = network()
    with torch.autocast("cpu", torch.bfloat16):  # which keeps the weights that a pass has converted
        mixed, _ = SnapMix(model, seed=0)(X, Y)
        model(mixed).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_copies_have_no_lent_model():
    mixer = SnapMix(seed=0)
    lend(mixer, network())
    for copied in (copy.deepcopy(mixer), pickle.loads(pickle.dumps(mixer))):
        assert copied._lent is None
    assert mixer.looking


@pytest.mark.slow
def test_a_compiled_model_is_called_as_it_was_written():
    model = network()
    compiled = torch.compile(model, backend="eager")
    first, second = (SnapMix(m, seed=0).draw(X, Y).weight for m in (model, compiled))
    assert torch.equal(first, second)


@pytest.mark.slow
def test_inside_a_compiled_function_there_is_one_sentence():
    mixer = SnapMix(network(), seed=0)
    compiled = torch.compile(lambda x, y: mixer(x, y), backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="SnapMix cannot be compiled: compile the model, and call"):
        compiled(X, Y)


@pytest.mark.parametrize("method", [SnapMix, TransMix, PuzzleMix])
def test_a_strength_in_the_place_of_the_model_is_an_error(method):
    with pytest.raises(TypeError, match=rf"{method.__name__}\(0.5\) gives no model: write "):
        method(0.5)
    with pytest.raises(TypeError, match=r"the model must be an nn\.Module, not 'resnet18'"):
        method("resnet18")


def test_a_dict_is_passed_by_name_to_networks_of_transformers():
    class Named(nn.Module):
        main_input_name = "pixel_values"

        def forward(self, pixel_values=None, scale=1):
            return pixel_values * scale

    assert torch.equal(look(Named(), torch.no_grad, {"pixel_values": X}, scale=2), 2 * X)


def test_gradients_are_those_of_one_tensor_of_the_batch():
    class Named(nn.Module):
        main_input_name = "pixel_values"

        def forward(self, pixel_values=None, scale=1):
            logits = pixel_values.square().sum((1, 2, 3))[:, None] * scale[:, None]
            return SimpleNamespace(logits=logits)

    batch = {"pixel_values": X, "scale": torch.arange(12.0)}
    found = look_back(Named(), nullcontext, batch, X, torch.ones_like)
    assert torch.allclose(found, 2 * X * torch.arange(12.0).view(-1, 1, 1, 1))
    assert not X.requires_grad


def test_gradients_pass_checkpoints_in_evaluation_mode():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=False)

    model = Checkpointed().train()
    found = look_back(model, nullcontext, X, X, torch.ones_like)
    assert torch.equal(found, look_back(model.inner, nullcontext, X, X, torch.ones_like))
    assert model.inner[1].num_batches_tracked == 0
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("make", [PuzzleMix, SnapMix])
@pytest.mark.parametrize("batch", [{"image": X, "row": X[:, 0, 0]}, [X]], ids=["dict", "list"])
def test_a_model_that_takes_no_such_batch_looks_at_its_only_images(make, batch):
    alone, target = make(network(), seed=0)(X, Y)
    fields = "image" if isinstance(batch, dict) else None
    mixed, beside = make(network(), fields=fields, seed=0)(batch, Y)
    assert torch.equal(mixed["image"] if isinstance(batch, dict) else mixed[0], alone)
    assert torch.equal(beside.weight, target.weight)


@pytest.mark.parametrize("make", [PuzzleMix, SnapMix])
@pytest.mark.parametrize("batch", [{"a": X, "b": X}, [X, X]], ids=["dict", "list"])
def test_a_model_that_does_not_take_such_a_batch_is_named(make, batch):
    kind = type(batch).__name__
    with pytest.raises(VicinalError, match=rf"Sequential is called with the whole batch, a {kind}"):
        make(network(), fields=next(iter(batch)) if kind == "dict" else 0)(batch, Y)


def test_gradients_cannot_be_had_in_inference_mode():
    with torch.inference_mode(), pytest.raises(VicinalError, match="mix outside of it"):
        PuzzleMix(network())(X, Y)


def test_images_of_bytes_that_a_model_does_not_take_are_named():
    with pytest.raises(VicinalError, match="Sequential does not take uint8 images"):
        SnapMix(network())((X * 255).to(torch.uint8), Y)
