"""Small networks for small images, which timm lacks."""

from torch import Tensor, nn


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _convolution(channels, channels), _convolution(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.convolutions(x)
        return x + residual


def resnet18_small(n_out: int) -> nn.Module:
    """timm's ResNet-18 for images of 32 pixels, with a first layer that keeps the resolution.

    Source: K. He et al., Deep residual learning (2016), section 4.2, by the usual form for CIFAR.

    >>> import torch
    >>> resnet18_small(10)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    import timm

    model: nn.Module = timm.create_model("resnet18", num_classes=n_out)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model


class ResNet9(nn.Module):
    """Nine layers for images of 8 to 64 pixels, after David Page's DAWNBench network.

    Args:
        n_out: the number of classes.
        width: channels of the first layer; the last has eight times as many. The network that
            went to 94 % on CIFAR-10 has 64.

    >>> import torch
    >>> ResNet9(10)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Source: D. Page, How to train your ResNet (2018), the DAWNBench CIFAR-10 entry.
    """

    def __init__(self, n_out: int, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(3, width),
            _convolution(width, 2 * width),
            nn.MaxPool2d(2),
            _Residual(2 * width),
            _convolution(2 * width, 4 * width),
            nn.MaxPool2d(2),
            _convolution(4 * width, 8 * width),
            nn.MaxPool2d(2),
            _Residual(8 * width),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(8 * width, n_out)

    #: The modules of feature maps, in the form of timm's networks.
    feature_info = tuple({"module": f"features.{layer}"} for layer in (0, 3, 6, 8))

    def get_classifier(self) -> nn.Module:
        return self.head

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def small_vit(n_out: int, layers: int = 6) -> nn.Module:
    """timm's vision transformer for small images, of any size that is a multiple of 4 pixels.

    A token is a patch of 4 by 4 pixels. Tokens are 192 wide, as in ViT-Ti, with 3 heads and hidden
    layers of twice that width; their mean goes to the classifier. Positions are learned for 8 by 8
    patches, and interpolated for images that are not of 32 pixels.

    Args:
        n_out: the number of classes.
        layers: of attention, each with 0.3 million parameters.

    Source: S. H. Lee et al., Vision transformer for small-size datasets (2021), whose network for
    CIFAR has nine such layers, with 12 heads.

    >>> import torch
    >>> network = small_vit(10, layers=1)
    >>> network(torch.zeros(2, 3, 32, 32)).shape, network(torch.zeros(2, 3, 64, 48)).shape
    (torch.Size([2, 10]), torch.Size([2, 10]))
    """
    from timm.models import VisionTransformer

    model: nn.Module = VisionTransformer(
        img_size=32,
        patch_size=4,
        num_classes=n_out,
        embed_dim=192,
        depth=layers,
        num_heads=3,
        mlp_ratio=2.0,
        class_token=False,
        global_pool="avg",
        dynamic_img_size=True,
    )
    return model
