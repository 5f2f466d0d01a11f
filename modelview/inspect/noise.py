"""An input where there is none: noise, the same for the same seed."""

import os
from math import prod

import torch
from torch import Tensor

from modelview.errors import EditError
from modelview.seeds import require_seed
from modelview.sources.base import Shape


def noise(shape: Shape, seed: int = 0) -> Tensor:
    """Values of mean 0 and deviation 1, as normalised pictures have. Raises EditError for what is no shape or no seed.

    >>> torch.equal(noise((1, 3)), noise((1, 3))), torch.equal(noise((1, 3)), noise((1, 3), seed=1))
    (True, False)
    """
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise EditError(f"An input shape is whole numbers from 1 up, N first, such as 1,3,224,224; got {shape}.")
    require_seed(seed)
    size_bytes, memory = 4 * prod(shape), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size_bytes > memory:
        raise EditError(
            f"An input of {size_bytes / 1e9:,.0f} GB does not fit: this machine has {memory / 1e9:,.0f} GB."
        )
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
