import pytest

from modelview.edits.replace_layer import ReplaceLayer
from modelview.errors import EditError
from modelview.layers import Layer
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe

SQUEEZENET = Recipe(Torchvision("squeezenet1_1"))


@pytest.mark.parametrize(
    ("edit", "last_line"),
    [
        (ReplaceLayer("classifier.1", "Conv2d(512, 10, 1)"), "model.classifier[1] = nn.Conv2d(512, 10, 1)"),
        (ReplaceLayer("classifier.0", "Dropout(p=0.1)"), "model.classifier[0] = nn.Dropout(p=0.1)"),
        (
            ReplaceLayer("features.3.squeeze_activation", Layer("GELU()")),
            "model.features[3].squeeze_activation = nn.GELU()",
        ),
        (ReplaceLayer("features.2", "Permute([0, 1, 3, 2])"), "model.features[2] = ops.Permute([0, 1, 3, 2])"),
    ],
)
def test_replace(edit: ReplaceLayer, last_line: str) -> None:
    recipe = SQUEEZENET.then(edit)
    check_recipe(recipe)
    assert recipe.changes()[-1].code.statements[-1] == last_line


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (ReplaceLayer("classifer.1", "Identity()"), "No module is called 'classifer.1'. Did you mean 'classifier.1'"),
        (ReplaceLayer("", "Identity()"), "This edit needs a module inside the model"),
        (ReplaceLayer("classifier.1", "Linaer(1, 2)"), "No layer class is called 'Linaer'. Did you mean 'Linear'"),
        (ReplaceLayer("classifier.1", "Linear(print(1))"), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "ReLU()  # x"), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "(ReLU())"), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "ReLU(\n)"), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "__import__('os').system('ls')"), "A layer is a torch.nn class called with"),
        (ReplaceLayer("classifier.1", "Module()"), "No layer class is called 'Module'."),
        (ReplaceLayer("classifier.1", "Linear(*[1, 2])"), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "Linear(**{'a': 1})"), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "(" * 5000), "A layer is a torch.nn class called with plain values"),
        (ReplaceLayer("classifier.1", "GELU"), "Write GELU as a call: GELU(...)."),
        (
            ReplaceLayer("classifier.1", "Linear(_, 4)"),
            "`_` is a width in the rows of a model that is built; here write",
        ),
        (ReplaceLayer("classifier.1", "Linear(1)"), "Linear also needs 'out_features'."),
        (ReplaceLayer("classifier.1", "Conv2d(3, 4, 1, padding='abc')"), "Conv2d does not take these arguments:"),
        (ReplaceLayer("classifier.1", "Linear(1000000, 1000000)"), "Linear(1000000, 1000000) would take 4,000 GB"),
        (ReplaceLayer("classifier.1", "Linear(-1, 4)"), "Linear does not take these arguments:"),
        (ReplaceLayer("classifier.0", "Dropout(p=0.5)"), "`classifier.0` is already Dropout(p=0.5, inplace=False)."),
        (
            ReplaceLayer("classifier.1", "Conv2d(256, 10, 1)"),
            "`classifier.1` gets 512 channels but takes 256: insert a 1 × 1 Conv2d(512, 256) before it, or replace it "
            "with Conv2d(512, 10, kernel_size=1).",
        ),
        (ReplaceLayer("features.0", "Conv2d(3, 64, 300)"), "`features.0` gets 1 × 3 × 224 × 224, smaller than its"),
        (ReplaceLayer("features.2", "Linear(7, 7)"), "`features.2` gets 1 × 64 × 111 × 111, so 111 features, but"),
        (ReplaceLayer("features.1", "BatchNorm2d(7)"), "`features.1` gets 1 × 64 × 111 × 111, so 64 channels, but"),
        (ReplaceLayer("features.2", "LSTM(111, 5)"), "`features.2` (LSTM) could not take 1 × 64 × 111 × 111:"),
    ],
)
def test_replace_refuses(edit: ReplaceLayer, message: str) -> None:
    before = SQUEEZENET.check()
    with pytest.raises(EditError) as caught:
        SQUEEZENET.then(edit).check()
    assert str(caught.value).startswith(message)
    assert SQUEEZENET.check() == before


def test_a_shared_module_is_replaced_everywhere() -> None:
    recipe = Recipe(Torchvision("resnet18")).then(ReplaceLayer("layer1.0.relu", "GELU()"))
    check_recipe(recipe)
