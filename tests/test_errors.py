"""The tree of errors in the module's docstring is the one that the classes make."""

import builtins
import re

from zoho_tokenstore import errors


def drawn():
    """Return the parents of each class in the tree: the one above it, and the builtin."""
    parents, above = {}, []
    for line in errors.__doc__.splitlines():
        found = re.fullmatch(r"    ([│├└─ ]*)(\w+)(?: +(\w+))?", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        above[depth:] = [found[2]]
        if depth:
            parents[found[2]] = {above[depth - 1], *filter(None, [found[3]])}
    return parents


def bases_of(kind):
    return {base.__name__ for base in kind.__bases__}


def test_the_tree_shows_every_error_with_its_parents():
    shown = drawn()
    kinds = {name: getattr(errors, name) for name in errors.__all__}
    assert shown == {
        name: bases_of(kind)
        for name, kind in kinds.items()
        if issubclass(kind, errors.TokenStoreError) and kind is not errors.TokenStoreError
    }


def test_the_builtins_in_the_tree_are_builtins():
    ours = {*errors.__all__}
    for parents in drawn().values():
        for name in parents - ours:
            assert issubclass(getattr(builtins, name), Exception)
