"""The types of the parameters of rules: terms by their sorts, functions between sorts, arrays.

For mypy they are all terms, since z3's Python types do not say of which sort a term is. ``@rule`` reads the sorts off
these annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import msgspec

R = TypeVar("R")
D = TypeVar("D")


class Sort(msgspec.Struct, frozen=True):
    """The sort of a term, by the name that ``sort_named`` takes; of a function also that of its argument."""

    name: str
    domain: str | None = None

    @property
    def is_function(self) -> bool:
        return self.domain is not None

    @property
    def is_predicate(self) -> bool:
        """The function's values are truth values."""
        return self.is_function and self.name == "Bool"

    def __str__(self) -> str:
        return self.name if self.domain is None else f"Function[{self.domain}, {self.name}]"


_FUNCTION = "function"

Int: TypeAlias = Annotated[Any, Sort("Int")]
Bool: TypeAlias = Annotated[Any, Sort("Bool")]
Task: TypeAlias = Annotated[Any, Sort("Task")]
Port: TypeAlias = Annotated[Any, Sort("Port")]
Name: TypeAlias = Annotated[Any, Sort("Name")]
Message: TypeAlias = Annotated[Any, Sort("Message")]
Object: TypeAlias = Annotated[Any, Sort("Object")]
SecurityToken: TypeAlias = Annotated[Any, Sort("SecurityToken")]
AuditToken: TypeAlias = Annotated[Any, Sort("AuditToken")]
Layout: TypeAlias = Annotated[Any, Sort("Layout")]
Slot: TypeAlias = Annotated[Any, Sort("Slot")]

Function: TypeAlias = Annotated[Callable[[D], R], _FUNCTION]
"""``Function[Port, Bool]``: a function from ports to truth values."""
Array: TypeAlias = Function[Int, R]
"""``Array[Name]``: a name for each index. Another parameter is its length: ``names_length`` for the array ``names``."""


def sort_of(annotation: object) -> Sort:
    """The sort that an annotation of this module stands for. Raises TypeError for any other annotation."""
    [*marks] = getattr(annotation, "__metadata__", ())
    match marks:
        case [Sort() as sort]:
            return sort
        case ["function"]:
            [[domain], range_] = get_args(getattr(annotation, "__origin__", None))
            return Sort(sort_of(range_).name, sort_of(domain).name)
    raise TypeError(f"{annotation!r} isn't a type of model/language/terms.py")
