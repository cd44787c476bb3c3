"""Which classes a layer paints at all."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from .validation import MAX_CLASSES, Value

Titles = Annotated[tuple[StrictStr, ...], Field(min_length=1, max_length=MAX_CLASSES)]


class ClassFilter(Value):
    """Either the classes that are painted, or those that are not.

    Attributes
    ----------
    include, exclude
        Titles; one of them is None.
    """

    include: Titles | None = None
    exclude: Titles | None = None

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.__pydantic_extra__ or (self.include is None) == (self.exclude is None):
            raise PydanticCustomError(
                "class_filter", 'must be {"include": [...]} or {"exclude": [...]}, with titles'
            )
        return self

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles that it names."""
        return self.include or self.exclude or ()

    def of(self, titles: Iterable[str]) -> list[str | None]:
        """These titles, with None for classes that are not painted."""
        named = frozenset(self.titles)
        is_included = self.include is not None
        return [title if (title in named) == is_included else None for title in titles]
