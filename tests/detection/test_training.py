"""torchvision's Faster R-CNN and Lightning's trainer on mixed batches of drawn shapes."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, box_iou

from drawn_shapes import drawn
from vicinal import Choice, CopyPaste, DetectionMixUp, Mosaic, Schedule


class Shapes(torch.utils.data.Dataset):
    """Dark images of 32 x 32, each with a bright rectangle of one of two colours."""

    def __init__(self, count, seed=0):
        self.count, self.seed = count, seed

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(self.seed * 10_000 + i)
        image = 0.2 * torch.rand(3, 32, 32, generator=g)
        width, height = torch.randint(8, 17, (2,), generator=g).tolist()
        left, top = (int(torch.randint(33 - side, (), generator=g)) for side in (width, height))
        label = int(torch.randint(2, (), generator=g))
        mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
        mask[:, top : top + height, left : left + width] = 1
        image[label] += 0.8 * mask[0]
        boxes = torch.tensor([[left, top, left + width, top + height]], dtype=torch.float32)
        return image, {"boxes": boxes, "labels": torch.tensor([label + 1]), "masks": mask}


def detector():
    """The smallest Faster R-CNN: a backbone of three convolutions, for images of 32 x 32."""
    backbone = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU()),
    )
    backbone.out_channels = 32
    return FasterRCNN(
        backbone,
        num_classes=None,
        min_size=32,
        max_size=64,
        image_mean=[0.3] * 3,
        image_std=[0.3] * 3,
        rpn_anchor_generator=AnchorGenerator(((12,),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        rpn_post_nms_top_n_train=50,
        rpn_post_nms_top_n_test=20,
        box_head=nn.Sequential(nn.Flatten(1), nn.Linear(288, 64), nn.ReLU()),
        box_predictor=Predictor(),
    )


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.scores, self.boxes = nn.Linear(64, 3), nn.Linear(64, 12)

    def forward(self, x):
        return self.scores(x), self.boxes(x)


def collate(samples):
    return tuple(zip(*samples, strict=True))


@pytest.mark.parametrize("make", [Mosaic, CopyPaste, lambda: Choice([Mosaic(), DetectionMixUp()])])
def test_a_step_of_torchvisions_faster_rcnn(make):
    torch.manual_seed(0)
    mixer = make()
    model = detector().train()
    images, targets = mixer(*collate([Shapes(4)[i] for i in range(4)]))
    losses = model(images, targets)
    sum(losses.values()).backward()
    assert len(losses) == 4
    assert all(bool(loss.isfinite()) for loss in losses.values())
    assert all(p.grad is not None for p in model.parameters())


def test_images_of_which_nothing_is_left():
    images, targets = drawn([(32, 32)] * 3, [0, 0, 0], keypoints=False, masks=False)
    images = [image.expand(3, -1, -1) for image in images]
    images, targets = Mosaic(seed=0)(images, targets)
    losses = detector().train()(images, targets)
    assert all(bool(loss.isfinite()) for loss in losses.values())


@pytest.mark.slow
def test_a_training_finds_the_rectangles():
    torch.manual_seed(0)
    model, steps = detector().train(), 300
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    mixer = Schedule(Choice([Mosaic(), CopyPaste(), DetectionMixUp()]), until=0.7, steps=steps)
    data = Shapes(256)
    for _ in range(steps):
        chosen = torch.randint(256, (8,)).tolist()
        images, targets = mixer(*collate([data[i] for i in chosen]))
        loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    images, targets = collate([Shapes(64, seed=1)[i] for i in range(64)])
    with torch.no_grad():
        found = model(list(images))
    hits = [
        bool(len(one["boxes"]))
        and float(box_iou(one["boxes"][:1], target["boxes"])) > 0.5
        and int(one["labels"][0]) == int(target["labels"][0])
        for one, target in zip(found, targets, strict=True)
    ]
    assert sum(hits) / len(hits) > 0.8


@pytest.mark.slow
def test_lightning_trains_by_the_callback(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")
    from vicinal.integrations.lightning import Mix

    seen = []

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = detector()

        def training_step(self, batch, _):
            images, targets = batch
            seen.append([len(target["boxes"]) for target in targets])
            return sum(self.model(images, targets).values())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 1e-3)

    loader = torch.utils.data.DataLoader(Shapes(16), batch_size=4, collate_fn=collate)
    mixer = Schedule(DetectionMixUp(), until=0.5, seed=0)
    trainer = lightning.Trainer(
        max_epochs=1,
        callbacks=Mix(mixer),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Module(), loader)
    assert seen == [[2] * 4, [2] * 4, [1] * 4, [1] * 4]


@pytest.mark.slow
def test_accelerate_trains_on_lists():
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    loader = torch.utils.data.DataLoader(Shapes(8), batch_size=4, collate_fn=collate)
    model = detector().train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    mixer = Mosaic(seed=0)
    for images, targets in loader:
        images, targets = mixer(images, targets)
        accelerator.backward(sum(model(images, targets).values()))
        optimizer.step()
    assert mixer.random.draws == 2
