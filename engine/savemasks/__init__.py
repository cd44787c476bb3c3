"""Turns annotated image data sets into masks.

What `__all__` names is the public interface. Each name is loaded when it is first used, so that
importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .api.arguments import Annotation, Window
    from .api.coco import RunLengthCode, rle, rle_decode
    from .api.exporting import export
    from .api.functions import encode_png, warmup
    from .api.images import Image
    from .api.instances import Instances
    from .api.listing import ProjectItem, ProjectItems, open_project
    from .api.object_masks import ObjectMask
    from .api.packed import PackedSample, samples
    from .api.painter import Painter
    from .api.statistics import Statistics
    from .api.training import Targets
    from .errors import (
        AnnotationError,
        ConfigError,
        FolderError,
        ImageError,
        ItemError,
        OutputError,
        ProjectError,
        SavemasksError,
        WriteError,
    )
    from .layers.graph import Graph
    from .layers.palette import Palette
    from .layers.save import Save
    from .layers.save_masks import SaveMasks
    from .line.plan import Mask
    from .results.report import Failure, Summary
    from .shapes import Shapes

__version__ = "0.1.0"

__all__ = [
    "Annotation",
    "AnnotationError",
    "ConfigError",
    "Failure",
    "FolderError",
    "Graph",
    "Image",
    "ImageError",
    "Instances",
    "ItemError",
    "Mask",
    "ObjectMask",
    "OutputError",
    "PackedSample",
    "Painter",
    "Palette",
    "ProjectError",
    "ProjectItem",
    "ProjectItems",
    "RunLengthCode",
    "Save",
    "SaveMasks",
    "SavemasksError",
    "Shapes",
    "Statistics",
    "Summary",
    "Targets",
    "Window",
    "WriteError",
    "__version__",
    "encode_png",
    "export",
    "open_project",
    "rle",
    "rle_decode",
    "samples",
    "warmup",
]

_MODULES = {
    "Annotation": "api.arguments",
    "Failure": "results.report",
    "Graph": "layers.graph",
    "Image": "api.images",
    "Instances": "api.instances",
    "Mask": "line.plan",
    "ObjectMask": "api.object_masks",
    "PackedSample": "api.packed",
    "Painter": "api.painter",
    "Palette": "layers.palette",
    "ProjectItem": "api.listing",
    "ProjectItems": "api.listing",
    "RunLengthCode": "api.coco",
    "Save": "layers.save",
    "SaveMasks": "layers.save_masks",
    "Shapes": "shapes",
    "Statistics": "api.statistics",
    "Summary": "results.report",
    "Targets": "api.training",
    "Window": "api.arguments",
    "encode_png": "api.functions",
    "export": "api.exporting",
    "open_project": "api.listing",
    "rle": "api.coco",
    "rle_decode": "api.coco",
    "samples": "api.packed",
    "warmup": "api.functions",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_MODULES.get(name, 'errors')}", __name__)
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
