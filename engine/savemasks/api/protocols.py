"""What functions that are methods of `Painter`, but live elsewhere, use of it."""

from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ..layers.palette import Grays
from ..line.drawings import Labels
from ..line.plan import Plan
from ..shapes import Shapes
from .arguments import Annotation, Window
from .views import Size

if TYPE_CHECKING:
    from ..encode.pages import PageStyle
    from .descriptions import Description


class Planned(Protocol):
    """It has a plan."""

    @property
    def _plan(self) -> Plan: ...


class Opening(Planned, Protocol):
    """It turns annotations into shapes that fit the plan."""

    def _open(self, annotation: Annotation | Shapes) -> Shapes: ...


class Coloring(Opening, Protocol):
    """It has worked out whether the machine mask needs colours."""

    @property
    def _is_gray(self) -> bool: ...

    @property
    def _grays(self) -> Grays | None: ...


class Styled(Opening, Protocol):
    """It has worked out how human pages look."""

    @property
    def _style(self) -> "PageStyle | None": ...


class Described(Protocol):
    """It knows what a legend says."""

    @property
    def _described(self) -> "Description": ...


class Painting(Planned, Protocol):
    """It parses annotations, and paints label maps."""

    def parse(self, annotation: Annotation) -> Shapes:
        """As `Painter.parse`."""
        ...

    def labels(
        self,
        annotation: Annotation | Shapes,
        *,
        window: Window | None = None,
        size: Size | None = None,
        fill: int | None = None,
        out: NDArray[Any] | None = None,
    ) -> Labels:
        """As `Painter.labels`."""
        ...
