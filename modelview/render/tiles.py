"""Activation maps side by side in one picture, in colour."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STOPS = np.array(  # dark violet over teal to yellow: even steps of lightness, also to the colour-blind
    [(68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128), (94, 201, 98),
     (173, 220, 48), (253, 231, 37)]
)  # fmt: skip
_POSITIONS = np.linspace(0, 255, len(_STOPS))
COLOURS = np.stack([np.interp(np.arange(256), _POSITIONS, _STOPS[:, i]) for i in range(3)], 1).astype(np.uint8)


def coloured(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture (H, W) in colour (H, W, 3)."""
    found: NDArray[np.uint8] = COLOURS[grey]
    return found


def strip(maps: NDArray[np.uint8], most: int, height: int = 112, gap: int = 6) -> Image.Image:
    """The first `most` of the maps (C, H, W) in a row, each `height` pixels high, on a transparent ground."""
    return _laid([_tile(one, height) for one in maps[:most]], gap, columns=most)


def sheet(maps: NDArray[np.uint8], columns: int = 12, side: int = 96, gap: int = 4) -> Image.Image:
    """All of the maps (C, H, W) in rows."""
    return _laid([_tile(one, side) for one in maps], gap, columns)


def single(one: NDArray[np.uint8], least: int = 512) -> Image.Image:
    """One map (H, W), its pixels enlarged to squares."""
    factor = max(1, -(-least // max(one.shape)))
    return Image.fromarray(coloured(one)).resize(
        (one.shape[1] * factor, one.shape[0] * factor), Image.Resampling.NEAREST
    )


def _tile(one: NDArray[np.uint8], height: int) -> Image.Image:
    width = max(8, min(round(one.shape[1] * height / one.shape[0]), 8 * height))
    nearest = one.shape[0] < height
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.BOX
    return Image.fromarray(coloured(one)).resize((width, height), how)


def _laid(tiles: list[Image.Image], gap: int, columns: int) -> Image.Image:
    width, height = tiles[0].size
    columns = min(columns, len(tiles))
    n_rows = -(-len(tiles) // columns)
    size = (columns * (width + gap) - gap, n_rows * (height + gap) - gap)
    ground = Image.new("RGBA", size, (0, 0, 0, 0))
    for number, tile in enumerate(tiles):
        ground.paste(tile, ((number % columns) * (width + gap), (number // columns) * (height + gap)))
    return ground
