import json
from typing import Any

import pytest
import torch
from torch import nn

from modelview.edits.append import Append
from modelview.edits.first_children import FirstChildren
from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.errors import EditError
from modelview.recipe import Recipe
from tests.edits.subjects import (
    GOOGLENET,
    LRASPP,
    MOBILENET,
    RAFT,
    REGNET,
    RESNET,
    SHUFFLENET,
    SQUEEZENET,
    SSD,
    SWIN,
    VIT,
    check_refused,
    opened,
    values,
)
from tests.laws import check_recipe, example, run
from tests.zoo import exact

CASES = [
    (SQUEEZENET, 1, 512),
    (MOBILENET, 1, 576),
    (MOBILENET, 2, 576),
    (SHUFFLENET, 1, 1024),
    (SHUFFLENET, 2, 192),
    (REGNET, 1, 440),
    (RESNET, 1, 512),
    (RESNET, 2, 512),
    (RESNET, 9, 64),
    (LRASPP, 1, None),
]


@pytest.mark.parametrize(
    ("recipe", "drop", "width"), CASES, ids=lambda v: v.source.title if isinstance(v, Recipe) else None
)
def test_it_is_the_line_that_people_write(recipe: Recipe, drop: int, width: int | None) -> None:
    args = example(recipe)
    built = check_recipe(recipe.then(FirstChildren(drop)))
    by_hand = nn.Sequential(*list(recipe.build().children())[:-drop])
    assert [*built.state_dict()] == [*by_hand.state_dict()]
    assert exact(run(built, args), run(by_hand, args))
    assert getattr(built, "out_channels", None) == width


@pytest.mark.parametrize(("recipe", "last"), [(RESNET, "avgpool"), (MOBILENET, "avgpool"), (REGNET, "avgpool")])
def test_where_the_forward_is_its_children_in_a_row_it_says_nothing(recipe: Recipe, last: str) -> None:
    recipe = recipe.then(FirstChildren())
    (renamed,) = recipe.changes()[0].notes
    assert renamed.endswith("is `0` now, and so on.")
    args = example(recipe, 1)
    assert torch.equal(run(recipe.build(), args), values(recipe.undo().build(), last, args))


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            opened("densenet121"),
            "it goes on with relu, adaptive_avg_pool2d, which is no child and is lost. Here the output is "
            "1 × 1024 × 7 × 7; `classifier` gets 1 × 1024. Truncate",
        ),
        (opened("mobilenet_v2"), "Here the output is 1 × 1280 × 7 × 7; `classifier` gets 1 × 1280. Truncate"),
        (SHUFFLENET, "it goes on with mean, which is no child and is lost. Here the output is 1 × 1024 × 7 × 7;"),
        (
            opened("swin3d_t"),
            "Here it returns 1 × 16 × 1 × 1 × 1; in the forward `avgpool` returns 1 × 768 × 1 × 1 × 1. Truncate",
        ),
    ],
    ids=lambda value: value.source.title if isinstance(value, Recipe) else "",
)
def test_where_it_computes_something_else_that_is_said_with_both_shapes(recipe: Recipe, said: str) -> None:
    (_, warning) = recipe.then(FirstChildren()).changes()[0].notes
    assert warning.startswith("This is not what the forward computes")
    assert said in warning


@pytest.mark.parametrize(
    "edits",
    [
        [FirstChildren(2), SwapHead(3)],
        [FirstChildren(), Append((("fc", "Flatten(1)"),)), Freeze("0")],
        [FirstChildren(), FirstChildren(3)],
        [SwapHead(3, hidden=(8,)), FirstChildren()],
    ],
)
def test_with_others(edits: list[Any]) -> None:
    recipe = RESNET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


TEN = "The model has 10 children (conv1, bn1, relu, maxpool, layer1, layer2, layer3, layer4); leave out 1 to 9, not"
NOT = "The children do not run one after the other, since the forward does more than call them:"


@pytest.mark.parametrize(
    ("recipe", "drop", "message"),
    [
        (RESNET, 0, f"{TEN} 0."),
        (RESNET, 10, f"{TEN} 10."),
        (RESNET, -1, f"{TEN} -1."),
        (RESNET, True, f"{TEN} True."),
        (RESNET, "1", f"{TEN} '1'."),
        (RESNET, 1.0, f"{TEN} 1.0."),
        (
            VIT,
            1,
            f"{NOT} `1` (Encoder) could not take 1 × 768 × 14 × 14: Expected (batch_size, seq_length, hidden_dim)",
        ),
        (GOOGLENET, 1, f"{NOT} `16.conv.conv` gets 1,024 channels but takes 512: insert a 1 × 1 Conv2d(1024, 512)"),
        (opened("inception_v3"), 1, f"{NOT} `16.branch3x3_1.conv` gets 1 × 1000, but Conv2d takes 4 dimensions"),
        (SSD, 1, f"{NOT} `0.features.0.0.0` (Conv2d) takes one tensor, but gets (3 × 320 × 320)."),
        (RAFT, 1, f"{NOT} The model (Sequential) takes one tensor, but gets (1 × 3 × 520 × 960, 1 × 3 × 520 × 960)."),
    ],
)
def test_refusals(recipe: Recipe, drop: Any, message: str) -> None:
    check_refused(recipe, FirstChildren, {"drop": drop}, message)


@pytest.mark.parametrize("value", ["1", None, True, 1.5, [1]])
def test_json_of_other_types_is_refused(value: object) -> None:
    content = json.loads(SWIN.then(FirstChildren(2)).to_json())
    content["edits"][0]["drop"] = value
    with pytest.raises(EditError, match="Edit 1 of this recipe, 'drop'"):
        Recipe.from_json(json.dumps(content))
