"""Look at a PyTorch model, change it by recipe, and take the result away.

>>> import modelview as mv
>>> recipe = mv.open("resnet50").then(mv.SwapHead(num_classes=10)).then(mv.Freeze("*", except_="fc"))
>>> recipe.check().output
(1, 10)
"""

from modelview.edits.freeze import Freeze as Freeze, Unfreeze as Unfreeze
from modelview.edits.replace_layer import ReplaceLayer as ReplaceLayer
from modelview.edits.swap_head import SwapHead as SwapHead
from modelview.edits.truncate import Truncate as Truncate
from modelview.errors import (
    DownloadError as DownloadError,
    EditError as EditError,
    ForwardError as ForwardError,
    ModelviewError as ModelviewError,
    UnknownName as UnknownName,
)
from modelview.export.base import export as export
from modelview.inspect.features import features as features
from modelview.inspect.tables import buffers as buffers, modules as modules, parameters as parameters
from modelview.inspect.tracing import trace as trace
from modelview.layers import Layer as Layer
from modelview.opening import open_recipe as open  # noqa: F401 - the contract's name
from modelview.recipe import Check as Check, Recipe as Recipe
