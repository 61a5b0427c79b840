"""The public names, for type checkers; at run time ``__init__.py`` loads them at first use."""

from pathlib import Path as Path

from vicinal.data.augment import BatchTransform as BatchTransform
from vicinal.data.augment import Normalize as Normalize
from vicinal.data.augment import aug_transforms as aug_transforms
from vicinal.data.block import CategoryBlock as CategoryBlock
from vicinal.data.block import DataBlock as DataBlock
from vicinal.data.block import ImageBlock as ImageBlock
from vicinal.data.block import RandomSplitter as RandomSplitter
from vicinal.data.block import RegexLabeller as RegexLabeller
from vicinal.data.block import Resize as Resize
from vicinal.data.block import get_image_files as get_image_files
from vicinal.data.block import parent_label as parent_label
from vicinal.data.block import using_attr as using_attr
from vicinal.data.download import URLs as URLs
from vicinal.data.download import untar_data as untar_data
from vicinal.data.loaders import DataLoaders as DataLoaders
from vicinal.data.vision import ImageDataLoaders as ImageDataLoaders
from vicinal.errors import VicinalError as VicinalError
from vicinal.learner.events import Callback as Callback
from vicinal.learner.events import CancelBackward as CancelBackward
from vicinal.learner.events import CancelBatch as CancelBatch
from vicinal.learner.events import CancelEpoch as CancelEpoch
from vicinal.learner.events import CancelFit as CancelFit
from vicinal.learner.events import CancelStep as CancelStep
from vicinal.learner.events import CancelTrain as CancelTrain
from vicinal.learner.events import CancelValidate as CancelValidate
from vicinal.learner.learner import Learner as Learner
from vicinal.learner.predictor import Predictor as Predictor
from vicinal.learner.vision import cnn_learner as cnn_learner
from vicinal.learner.vision import vision_learner as vision_learner
from vicinal.losses import CrossEntropyLossFlat as CrossEntropyLossFlat
from vicinal.losses import MixLoss as MixLoss
from vicinal.metrics import accuracy as accuracy
from vicinal.metrics import error_rate as error_rate
from vicinal.metrics import top_k_accuracy as top_k_accuracy
from vicinal.mixing import Choice as Choice
from vicinal.mixing import CutMix as CutMix
from vicinal.mixing import FMix as FMix
from vicinal.mixing import GridMix as GridMix
from vicinal.mixing import Mix as Mix
from vicinal.mixing import MixedTarget as MixedTarget
from vicinal.mixing import Mixer as Mixer
from vicinal.mixing import MixUp as MixUp
from vicinal.mixing import ResizeMix as ResizeMix
from vicinal.mixing import Schedule as Schedule
from vicinal.mixing import SmoothMix as SmoothMix
from vicinal.mixing import halves as halves
from vicinal.models.zoo import create_model as create_model
from vicinal.models.zoo import resnet18 as resnet18
from vicinal.models.zoo import resnet34 as resnet34
from vicinal.models.zoo import resnet50 as resnet50
from vicinal.models.zoo import resnet101 as resnet101
from vicinal.models.zoo import xresnet18 as xresnet18
from vicinal.models.zoo import xresnet34 as xresnet34
from vicinal.models.zoo import xresnet50 as xresnet50
from vicinal.models.zoo import xresnet101 as xresnet101

__version__: str
__all__: list[str]
