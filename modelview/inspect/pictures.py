"""A picture as the input of a model, and activation maps as pictures."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from modelview.errors import EditError
from modelview.recipe import Recipe
from modelview.sources.base import Shape
from modelview.sources.torchvision import Torchvision, weights_view

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Prepared:
    """A picture as a model takes it. how: the preprocessing in words. shown: what the model sees, for people."""

    tensor: Tensor
    how: str
    shown: Image.Image


def read(data: bytes) -> Image.Image:
    """The picture in a file's bytes, as RGB. Raises EditError where it is none, or far too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise EditError(
                    f"The picture has {picture.width:,} × {picture.height:,} pixels; "
                    f"{MOST_PIXELS / 1e6:.0f} million is the most."
                )
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise EditError(f"This file is no picture that can be read; it takes {', '.join(FORMATS)}.") from error


def prepared(recipe: Recipe, picture: Image.Image, shapes: tuple[Shape, ...] = ()) -> Prepared:
    """`picture` as the recipe's model takes it: by its weights' own preprocessing where it has weights.

    shapes: the inputs in force; the source's own by default. Without weights, or where the shape is another
    than the weights' own, the picture is resized, cropped and normalised to it.
    Raises EditError for models that take something else than one picture.
    """
    shapes = shapes or recipe.example
    if len(shapes) != 1 or len(shapes[0]) not in (4, 5):
        raise EditError(f"{recipe.source.title} does not take one picture; use random values.")
    shape = shapes[0]
    if shape[1] not in (1, 3):
        raise EditError(f"The model takes {shape[1]} channels; a picture has 1 or 3. Use random values.")
    own = shapes == recipe.example
    view = weights_view(recipe.source) if own and isinstance(recipe.source, Torchvision) else None
    if view is None:
        return _plain(picture, shape)
    frames = F.pil_to_tensor(picture)
    given = frames.expand(shape[2], *frames.shape) if len(shape) == 5 else frames
    tensor = view.transforms(given)[None]
    return Prepared(tensor, f"{view.name}: {view.preprocessing}", visible(tensor))


def _plain(picture: Image.Image, shape: Shape) -> Prepared:
    height, width = shape[-2:]
    scale = max(height / picture.height, width / picture.width)
    sizes = [max(height, round(picture.height * scale)), max(width, round(picture.width * scale))]
    image = F.center_crop(F.resize(F.pil_to_tensor(picture), sizes, antialias=True), [height, width])
    values = F.to_dtype(image, torch.float32, scale=True)
    if shape[1] == 1:
        values = (F.rgb_to_grayscale(values) - 0.5) / 0.5
        norm = "mean 0.5, std 0.5"
    else:
        values = F.normalize(values, list(MEAN), list(STD))
        norm = f"mean {MEAN}, std {STD}"
    tensor = values[None] if len(shape) == 4 else values[None, :, None].expand(1, -1, shape[2], -1, -1)
    how = f"Resized and centre-cropped to {height} × {width}, normalised with {norm}."
    return Prepared(tensor, how, visible(tensor))


def visible(tensor: Tensor) -> Image.Image:
    """The first item of an input (N, C, [frames,] H, W) as a picture, its values spread over black to white."""
    values = tensor[0].float()
    values = values[:, 0] if values.dim() == 4 else values
    values = values[:3] if values.shape[0] >= 3 else values[:1].expand(3, -1, -1)
    return Image.fromarray(_spread(values).permute(1, 2, 0).numpy())


def maps(values: Tensor, channels: int, most: int | None = None) -> Pixels:
    """Activations of one item, (1, ...) with that axis of channels, as `most` grey pictures (C, H, W).

    5 dimensions: the middle frame. 3: the one picture that positions and features make. Each picture is
    spread by itself from its least value to its greatest; what is not finite is black. Else (0, 0, 0).
    """
    item = values[0] if values.dim() else values
    if item.is_complex() or item.is_quantized:
        return np.zeros((0, 0, 0), np.uint8)
    if values.dim() in (4, 5):
        item = item.movedim(channels - 1, 0)
        item = item[:, item.shape[1] // 2] if values.dim() == 5 else item
    elif values.dim() == 3:
        item = item[None]
    else:
        return np.zeros((0, 0, 0), np.uint8)
    found: Pixels = torch.stack([_spread(one) for one in item[:most].float()]).numpy()
    return found


def _spread(values: Tensor) -> Tensor:
    finite = values.isfinite()
    kept = torch.where(finite, values, values[finite].min() if finite.any() else torch.zeros(()))
    low, high = kept.aminmax() if kept.numel() else (torch.zeros(()), torch.ones(()))
    return ((kept - low) / (high - low).clamp_min(1e-12) * 255).to(torch.uint8)
