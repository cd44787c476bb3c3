"""`Painter`: annotation → masks in memory, for programs that call the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

from ..encode.pages import PageStyle
from ..layers.class_table import IDENTITY, ClassTable
from ..layers.graph import Graph
from ..layers.palette import Palette, paintable_grays
from ..layers.save_masks import SaveMasks
from ..line.drawings import Labels
from ..line.plan import Mask, Plan
from ..parse.builder import Rules
from ..projects.classes import ClassTemplate, Meta, read_templates
from ..shapes import Shapes
from . import (
    arguments,
    batches,
    descriptions,
    instances,
    masks,
    names,
    object_masks,
    statistics,
    training,
)
from .arguments import Annotation, Window, array_for, parse_given
from .views import Pad, Size, paint_view, view_of


class Painter:
    """Paints the masks of one `save_masks` layer. Immutable; threads and processes may share it.

    Wherever a method takes an `annotation`, it may be JSON (bytes or str), the dict that it parses
    to, which is only read and may have arrays for lists, the path of a file (`pathlib.Path`), or
    the `Shapes` that `parse` made of it.

    Parameters
    ----------
    layer
        What to paint, and in which colours.
    meta
        The project's meta.json, if there is one: its text, what that parses to, or its path. Only
        graphs, old annotations, which do not name their geometries, and layers that take classes
        or colours from it need it.
    max_pixels
        Refuse larger canvases, bitmaps and results with an `AnnotationError`, before anything is
        made of their size. All masks of `targets` or `one_hot` together count as one result; all
        bitmaps together may have eight times as many pixels. None for no limit.
    strict
        Whether objects of classes that neither the layer nor `meta` has, of geometries that nobody
        knows, and graphs whose edges are missing are errors. Else they are left out and counted in
        `Shapes`.

    Attributes
    ----------
    classes
        Number of every class that one of the mappings paints; read-only, as everything else.
    machine_palette, human_palette
        Classes and colours by label of the masks that the layer requests, else None.

    Raises
    ------
    ProjectError
        If `meta` cannot be read or is none.
    TypeError, ValueError
        If `layer` is no `SaveMasks`, or takes classes from a `meta` that is not given, or
        `max_pixels` is no number of pixels.
    ConfigError
        If a colour that the layer takes from `meta` is missing there.

    Examples
    --------
    >>> import savemasks
    >>> colors = {"kiwi": [100, 100, 100], "lemon": [200, 200, 200]}
    >>> layer = savemasks.SaveMasks.from_json({
    ...     "action": "save_masks",
    ...     "dst": "masks",
    ...     "settings": {"masks_machine": True, "gt_machine_color": colors},
    ... })
    >>> painter = savemasks.Painter(layer)
    >>> painter.machine_palette.titles
    ('kiwi', 'lemon')
    """

    __slots__ = ("__weakref__", "_classes", "_described", "_grays", "_is_gray", "_plan", "_style")

    def __init__(
        self,
        layer: SaveMasks,
        meta: Meta | Mapping[str, ClassTemplate] | None = None,
        *,
        max_pixels: int | None = None,
        strict: bool = False,
    ) -> None:
        arguments.check_layer(layer)
        rules = arguments.rules_of(max_pixels, strict=strict)
        self._prepare(layer, read_templates(meta), rules, IDENTITY)

    def _prepare(
        self,
        layer: SaveMasks,
        templates: Mapping[str, ClassTemplate],
        rules: Rules,
        table: ClassTable,
    ) -> None:
        if not (templates or table.backgrounds):
            arguments.check_names_classes(layer)
        self._plan = plan = Plan.of(layer, templates, rules, table=table)
        self._classes = plan.classes
        palette = plan.machine_palette
        self._is_gray = palette is not None and palette.is_gray
        self._grays = paintable_grays(palette, plan.table_of("machine")) if palette else None
        self._described = descriptions.description_of(layer, templates, table)
        # The format is that of files.
        style = replace(PageStyle.of(layer.settings), format="png", quality=None)
        self._style = None if style.is_plain else style

    @classmethod
    def from_classes(
        cls,
        classes: Sequence[str] | Mapping[str, int],
        meta: Meta | Mapping[str, ClassTemplate] | None = None,
        *,
        max_pixels: int | None = None,
        strict: bool = False,
    ) -> Self:
        """Make a painter for label maps, without a layer.

        Parameters
        ----------
        classes
            Titles, which get the labels 1, 2, ... in that order; or the label of every title, from
            1 to 65,535. Several classes may share a label.
        meta, max_pixels, strict
            As for `Painter`.

        Returns
        -------
        Painter
            Its machine mask equals its label map, and its human mask has the colours of Pascal VOC.

        Raises
        ------
        TypeError, ValueError
            If `classes` is neither, is empty, or a label cannot be.

        Examples
        --------
        >>> savemasks.Painter.from_classes(["road", "car"]).id2label
        {0: 'background', 1: 'road', 2: 'car'}
        >>> savemasks.Painter.from_classes({"kiwi": 7}).labels(annotation)[1].tolist()
        [0, 7, 7, 7, 0, 0]
        """
        labels = names.labels_of(classes)
        painter = cls(names.layer_of(labels), meta, max_pixels=max_pixels, strict=strict)
        plan = names.numbered(painter._plan, labels)
        object.__setattr__(painter, "_plan", plan)  # nobody has seen it yet
        object.__setattr__(painter, "_grays", names.grays_of(plan))
        return painter

    @classmethod
    def from_graph(
        cls,
        graph: Graph,
        dst: str | None = None,
        meta: Meta | Mapping[str, ClassTemplate] | None = None,
        *,
        source: str | None = None,
        max_pixels: int | None = None,
        strict: bool = False,
    ) -> Self:
        """Make a painter for a sink of a graph.

        Parameters
        ----------
        graph
            The layers.
        dst
            Which sink: the name of its result. It may be left out if there is only one.
        meta
            The source's meta.json, as for `Painter`. It says which classes there are.
        source
            Name of the project whose annotations are painted; needed only if several flow into the
            sink and their classes do not become the same.
        max_pixels, strict
            As for `Painter`.

        Returns
        -------
        Painter
            It takes annotations of the source, and paints them in the classes of the sink.

        Raises
        ------
        ConfigError
            If there is no such sink, it is no `save_masks` layer, or a class has no entry.
        ProjectError
            If `meta` cannot be used.
        TypeError, ValueError
            If `graph` is none, or `source` does not name one route.

        Examples
        --------
        >>> graph = savemasks.Graph.from_json([
        ...     {"action": "data", "src": "lemons", "dst": "$0", "settings":
        ...         {"classes_mapping": {"kiwi": "fruit", "lemon": "fruit"}}},
        ...     {"action": "save_masks", "src": "$0", "dst": "masks", "settings":
        ...         {"masks_machine": True, "gt_machine_color": {"fruit": [9, 9, 9]}}},
        ... ])
        >>> savemasks.Painter.from_graph(graph).machine(annotation)[2].tolist()
        [0, 9, 9, 9, 9, 0]
        """
        templates = read_templates(meta)
        layer, table = arguments.sink_of(graph, dst, source, templates)
        painter = cls.__new__(cls)  # colours that are "auto" are those of the sink's classes
        rules = arguments.rules_of(max_pixels, strict=strict)
        painter._prepare(layer, templates, rules, table)
        return painter

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute that has no value yet: in `__init__`, and when it is unpickled."""
        if hasattr(self, name):
            raise AttributeError(f"{name} cannot be set: a {type(self).__name__} never changes")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} cannot be deleted: a {type(self).__name__} never changes")

    def __repr__(self) -> str:
        settings = dict(self._described.settings)
        wanted = ("machine", "human", "instances", "classes", "semantic_rgb")
        masks = ", ".join(name for name in wanted if settings[f"masks_{name}"])
        return f"<Painter of {arguments.brief_list(self._classes)}; masks: {masks}>"

    @property
    def classes(self) -> Mapping[str, int]:
        """Number of every class that one of the mappings paints."""
        return arguments.Classes(self._classes)

    @property
    def machine_palette(self) -> Palette | None:
        """Classes and colours by label of the machine mask, None if the layer requests none."""
        return self._plan.machine_palette

    @property
    def human_palette(self) -> Palette | None:
        """Classes and colours by label of the human mask, None if the layer requests none."""
        return self._plan.human_palette

    @property
    def class_names(self) -> list[str]:
        """Name by label: "background", then the classes; "N/A" where a label has no class."""
        return names.class_names(self._plan)

    @property
    def id2label(self) -> dict[int, str]:
        """Name of every label that is used, as Hugging Face's models have it."""
        return {i: n for i, n in enumerate(self.class_names) if n != names.UNUSED}

    @property
    def label2id(self) -> dict[str, int]:
        """Label of every class and of the background, as Hugging Face's models have it."""
        return {names.BACKGROUND: 0, **names.label_by_title(self._plan)}

    def parse(self, annotation: Annotation) -> Shapes:
        """Parse an annotation once, to paint it often.

        Parameters
        ----------
        annotation
            JSON as bytes or str, a dict, or the path of a file.

        Returns
        -------
        Shapes
            Flat arrays, which can be pickled; for painters of the same classes only.

        Raises
        ------
        AnnotationError
            Naming the object if one is to blame.
        TypeError
            If it is neither text nor a dict.

        Examples
        --------
        >>> shapes = painter.parse(annotation)
        >>> shapes.height, shapes.width, len(shapes)
        (4, 6, 2)
        """
        return parse_given(annotation, self._plan.parse)

    def labels(
        self,
        annotation: Annotation | Shapes,
        *,
        mask: Mask | None = None,
        window: Window | None = None,
        size: Size | None = None,
        scale: float | None = None,
        fill: int | None = None,
        pad: Pad = 0,
        out: Labels | None = None,
    ) -> Labels:
        """Paint a label map: 0 is the background, 1 the palette's first class, and so on.

        Parameters
        ----------
        annotation
            What to paint.
        mask
            Whose classes and numbers: those of `machine_palette` or of `human_palette`. By default
            the machine mask's if the layer requests it.
        window
            Paint only this part (x, y, width, height) of the canvas, which it must not leave. It
            takes the time of its own pixels, and equals the same part of the whole map.
        size, scale
            Height and width of the result, or a factor for both; bitmaps by their nearest pixel,
            vertices by the pixel that their middle comes to lie in. Lines keep their thickness.
        fill
            The label beyond the canvas, as 255; a window may leave the canvas then.
        pad
            Pixels of `fill`, or of 0, to add around all of it: one number, or four for the left,
            the top, the right and the bottom.
        out
            Where to write; nothing of the canvas's size is allocated then. Each of its rows must
            be contiguous, so a part of a larger array will do.

        Returns
        -------
        (height, width) uint8, or uint16 if there are more than 255 classes.

        Raises
        ------
        AnnotationError
            Naming the object if one is to blame.
        TypeError, ValueError
            If `out` or `window` does not fit, or the layer does not request the mask.

        Examples
        --------
        >>> painter.labels(annotation)
        array([[0, 0, 0, 0, 0, 0],
               [0, 1, 1, 1, 0, 0],
               [0, 1, 1, 2, 2, 0],
               [0, 0, 0, 2, 2, 0]], dtype=uint8)
        >>> painter.labels(annotation, window=(2, 1, 3, 2))
        array([[1, 1, 0],
               [1, 2, 2]], dtype=uint8)
        >>> painter.labels(annotation, window=(4, 2, 3, 2), fill=255)
        array([[  2,   0, 255],
               [  2,   0, 255]], dtype=uint8)
        """
        table = self._plan.table_of(mask)
        view = view_of(self._plan, self._open(annotation), window, size=size, scale=scale,
                       fill=fill, pad=pad)  # fmt: skip
        made = array_for(out, view.shape, table.dtype, any_rows=1)
        background = self._plan.background_of(mask)
        paint_view(self._plan, view, table, made, fill=fill, background=background)
        return made if out is None else out

    classes_of = object_masks.classes_of
    human = masks.human
    instances = instances.instances
    labels_batch = batches.labels_batch
    one_hot = training.one_hot
    legend = descriptions.legend
    machine = masks.machine
    objects = object_masks.objects
    palette_for_pil = names.palette_for_pil
    semantic = masks.semantic
    statistics = statistics.statistics
    targets = training.targets

    def _open(self, annotation: Annotation | Shapes) -> Shapes:
        """The shapes, parsed if they are not."""
        if isinstance(annotation, Shapes):
            arguments.check_shapes(annotation, self._classes, self._plan.rules)
            return self._plan.large_enough(annotation)
        return parse_given(annotation, self._plan.parse)
