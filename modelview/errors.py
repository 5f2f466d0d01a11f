"""Every error a user can cause. `str(error)` is one sentence or a few, shown in the UI as it stands."""


class ModelviewError(Exception):
    """Base class: the pages and the command line catch this and nothing wider."""


class EditError(ModelviewError):
    """An edit, a source or an input does not fit the model; nothing was changed."""


class UnknownName(EditError):
    """No model, module, parameter or edit has the name that was asked for.

    wanted: that name, and `nearest`: names that may have been meant; empty where nobody knows.
    """

    wanted: str = ""
    nearest: tuple[str, ...] = ()


class DownloadError(ModelviewError):
    """Weights could not be fetched. Says which file, from where, and where to put it by hand."""


class ForwardError(ModelviewError):
    """A model could not be run on the input it was given."""


class CheckpointError(ModelviewError):
    """A file is not read, or its values are not: says why in one sentence. Nothing in it was executed."""
