"""Look at a PyTorch model, change it by recipe, and take the result away.

>>> import modelview as mv
>>> recipe = mv.open("resnet50").then(mv.SwapHead(num_classes=10)).then(mv.Freeze("*", except_="fc"))
>>> recipe.check().output
(1, 10)
"""

from modelview.checkpoints.reading import Checkpoint as Checkpoint, read as read
from modelview.edits.adapt_input import AdaptInput as AdaptInput
from modelview.edits.add_input import AddInput as AddInput
from modelview.edits.add_outputs import AddOutputs as AddOutputs
from modelview.edits.append import Append as Append
from modelview.edits.delete_layer import DeleteLayer as DeleteLayer
from modelview.edits.detach import Detach as Detach
from modelview.edits.first_children import FirstChildren as FirstChildren
from modelview.edits.freeze import Freeze as Freeze, Unfreeze as Unfreeze
from modelview.edits.fuse_stages import FuseStages as FuseStages
from modelview.edits.insert_layer import InsertLayer as InsertLayer
from modelview.edits.learning_rates import LearningRates as LearningRates
from modelview.edits.load_weights import LoadWeights as LoadWeights
from modelview.edits.prefix import Prefix as Prefix
from modelview.edits.rename import Rename as Rename
from modelview.edits.replace_layer import ReplaceLayer as ReplaceLayer
from modelview.edits.select_classes import SelectClasses as SelectClasses
from modelview.edits.swap_head import SwapHead as SwapHead
from modelview.edits.truncate import Truncate as Truncate
from modelview.errors import (
    CheckpointError as CheckpointError,
    DownloadError as DownloadError,
    EditError as EditError,
    ForwardError as ForwardError,
    ModelviewError as ModelviewError,
    UnknownName as UnknownName,
)
from modelview.export.base import export as export
from modelview.identify.matching import Match as Match, identify as identify
from modelview.inspect.features import features as features
from modelview.inspect.gradients import gradients as gradients
from modelview.inspect.tables import buffers as buffers, modules as modules, parameters as parameters
from modelview.inspect.tracing import trace as trace
from modelview.layers import Layer as Layer
from modelview.opening import open_recipe as open  # noqa: F401 - the contract's name
from modelview.recipe import Check as Check, Recipe as Recipe
