"""What torch.save writes since 1.6: a zip archive with one pickle and an entry for each storage."""

from typing import ClassVar

from modelview.checkpoints import stubs
from modelview.checkpoints.formats._archive import Archive
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span
from modelview.checkpoints.tensors import Storages
from modelview.names import short

MOST_TEXT = 200


@FORMATS.register("zip")
class Zip(Format):
    """`torch.save(...)`: a state_dict, a training checkpoint or a whole module, whatever the suffix."""

    rank: ClassVar[int] = 10

    @classmethod
    def fits(cls, start: Start) -> bool:
        return any(name == "data.pkl" or (name.endswith("/data.pkl") and name.count("/") == 1) for name in start.names)

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        return saved(Archive(start.paths[0], limits, directory=start.directory))


def saved(archive: Archive, first: int = 0) -> Content:
    """The object that was saved in an archive of torch's, its storages numbered from `first`. Raises Refused."""
    root = archive.root("data.pkl")
    order = archive.read(f"{root}byteorder").decode("latin-1") if f"{root}byteorder" in archive else "little"
    if order != "little":
        raise Refused(
            f"The file was written on a machine with {short(order)}-endian numbers; save it again on another."
        )

    def locate(key: str, _: int, device: str) -> Span:
        return archive.span(f"{root}data/{key}", device)

    storages = Storages(locate, first)
    value, asked = stubs.read_bytes(archive.read(f"{root}data.pkl"), storages)
    extras = {}
    for name in ("version", ".format_version"):
        if f"{root}{name}" in archive:
            text = archive.read(f"{root}{name}").decode("utf-8", "replace").strip()
            extras[f"archive {name.lstrip('.').replace('_', ' ')}"] = short(text, MOST_TEXT)
    return Content("zip", value, storages.spans, asked, extras)
