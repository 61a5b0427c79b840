"""The public names, for type checkers; at run time ``__init__.py`` loads them at first use."""

from functools import partial as partial
from pathlib import Path as Path

import matplotlib.pyplot as plt  # noqa: F401
import numpy as np  # noqa: F401
import pandas as pd  # noqa: F401
import torch as torch
import torch.nn.functional as F  # noqa: F401
from torch import nn as nn

from vicinal.batches import BatchMixer as BatchMixer
from vicinal.batches import MixCollate as MixCollate
from vicinal.criteria import AsymmetricLoss as AsymmetricLoss
from vicinal.criteria import OrdinalLoss as OrdinalLoss
from vicinal.criteria import ordinal_class as ordinal_class
from vicinal.criteria import ordinal_probabilities as ordinal_probabilities
from vicinal.cross_entropy import CrossEntropyLossFlat as CrossEntropyLossFlat
from vicinal.data.as_tensor import tensor as tensor
from vicinal.data.augment import BatchTransform as BatchTransform
from vicinal.data.augment import ColorJitter as ColorJitter
from vicinal.data.augment import Normalize as Normalize
from vicinal.data.augment import RandomErasing as RandomErasing
from vicinal.data.augment import aug_transforms as aug_transforms
from vicinal.data.block import CategoryBlock as CategoryBlock
from vicinal.data.block import DataBlock as DataBlock
from vicinal.data.block import GroupSplitter as GroupSplitter
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
from vicinal.data.preprocessing import TablePreprocessing as TablePreprocessing
from vicinal.data.text import TextData as TextData
from vicinal.data.text import WordTokenizer as WordTokenizer
from vicinal.data.vision import ImageDataLoaders as ImageDataLoaders
from vicinal.errors import VicinalError as VicinalError
from vicinal.learner.ema import EMA as EMA
from vicinal.learner.events import Callback as Callback
from vicinal.learner.events import CancelBackward as CancelBackward
from vicinal.learner.events import CancelBatch as CancelBatch
from vicinal.learner.events import CancelEpoch as CancelEpoch
from vicinal.learner.events import CancelFit as CancelFit
from vicinal.learner.events import CancelStep as CancelStep
from vicinal.learner.events import CancelTrain as CancelTrain
from vicinal.learner.events import CancelValidate as CancelValidate
from vicinal.learner.gradients import AccumulateGradients as AccumulateGradients
from vicinal.learner.gradients import ClipGradients as ClipGradients
from vicinal.learner.interpretation import Interpretation as Interpretation
from vicinal.learner.learner import Learner as Learner
from vicinal.learner.monitors import EarlyStopping as EarlyStopping
from vicinal.learner.monitors import SaveBest as SaveBest
from vicinal.learner.muon import muon_adamw as muon_adamw
from vicinal.learner.regmixup import MixUpMP as MixUpMP
from vicinal.learner.regmixup import RegMixUp as RegMixUp
from vicinal.learner.rescaledmixup import RescaledMixUp as RescaledMixUp
from vicinal.learner.resizing import ProgressiveResizing as ProgressiveResizing
from vicinal.learner.resume import Checkpoint as Checkpoint
from vicinal.learner.trackers import Track as Track
from vicinal.learner.vision import cnn_learner as cnn_learner
from vicinal.learner.vision import vision_learner as vision_learner
from vicinal.losses import MixLoss as MixLoss
from vicinal.metrics import accuracy as accuracy
from vicinal.metrics import accuracy_multi as accuracy_multi
from vicinal.metrics import error_rate as error_rate
from vicinal.metrics import mae as mae
from vicinal.metrics import rmse as rmse
from vicinal.metrics import top_k_accuracy as top_k_accuracy
from vicinal.mixed.tensor import MixedTensor as MixedTensor
from vicinal.mixed.tensor import as_tensors as as_tensors
from vicinal.mixed.tensor import own_targets as own_targets
from vicinal.mixing import BalancedMixUp as BalancedMixUp
from vicinal.mixing import BetweenClass as BetweenClass
from vicinal.mixing import Choice as Choice
from vicinal.mixing import ClassMix as ClassMix
from vicinal.mixing import CMixUp as CMixUp
from vicinal.mixing import ColumnMix as ColumnMix
from vicinal.mixing import CutMix as CutMix
from vicinal.mixing import DetectionMixUp as DetectionMixUp
from vicinal.mixing import FMix as FMix
from vicinal.mixing import GridMix as GridMix
from vicinal.mixing import KernelMixUp as KernelMixUp
from vicinal.mixing import ManifoldMixUp as ManifoldMixUp
from vicinal.mixing import Mix as Mix
from vicinal.mixing import MixedTarget as MixedTarget
from vicinal.mixing import Mixer as Mixer
from vicinal.mixing import MixUp as MixUp
from vicinal.mixing import Remix as Remix
from vicinal.mixing import ResizeMix as ResizeMix
from vicinal.mixing import Schedule as Schedule
from vicinal.mixing import SmoothMix as SmoothMix
from vicinal.mixing import check_mixer as check_mixer
from vicinal.mixing import halves as halves
from vicinal.models.hub_text import hub_text_model as hub_text_model
from vicinal.models.rescale import Rescale as Rescale
from vicinal.models.rescale import ScaledMSELoss as ScaledMSELoss
from vicinal.models.tabular import TableNet as TableNet
from vicinal.models.text import TextCNN as TextCNN
from vicinal.models.text import TextTransformer as TextTransformer
from vicinal.models.zoo import create_model as create_model
from vicinal.models.zoo import resnet18 as resnet18
from vicinal.models.zoo import resnet34 as resnet34
from vicinal.models.zoo import resnet50 as resnet50
from vicinal.models.zoo import resnet101 as resnet101
from vicinal.models.zoo import xresnet18 as xresnet18
from vicinal.models.zoo import xresnet34 as xresnet34
from vicinal.models.zoo import xresnet50 as xresnet50
from vicinal.models.zoo import xresnet101 as xresnet101
from vicinal.plots.show_image import show_image as show_image
from vicinal.plots.show_image import show_images as show_images
from vicinal.rescaling import Rescaling as Rescaling
from vicinal.rescaling import mean_share as mean_share
from vicinal.study.compare import compare as compare
from vicinal.tasks.predictor import Predictor as Predictor

__version__: str
__all__: list[str]
