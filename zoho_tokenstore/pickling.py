"""Copying and pickling a store by the arguments that it was made with."""

import pickle
from functools import partial
from typing import Any, Self

from sqlalchemy import Engine

__all__ = ["PickledByArguments"]


class PickledByArguments:
    """A class whose copies have connections of their own process.

    A pickle holds the URL with its password, and the keys of a keyring made from text.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Remember the arguments."""
        self = super().__new__(cls)
        self._arguments = (args, options)
        return self

    def _pickled_options(self) -> dict[str, Any]:
        """Return the options to be pickled in place of the arguments of the same names."""
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the same object again.

        Raises:
            TypeError: The store has an engine, or another argument that cannot be pickled.
        """
        args, options = self._arguments
        if isinstance(args[0] if args else options["database"], Engine):
            raise TypeError("a store on an Engine cannot be pickled or copied: pass a database URL")
        options = options | self._pickled_options()
        for name, value in options.items():
            try:
                pickle.dumps(value)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise TypeError(
                    f"the store cannot be pickled or copied, because its {name} cannot: give it "
                    "functions of a module instead of local ones"
                ) from error
        return partial(type(self), **options), ()
