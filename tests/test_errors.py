"""All errors have one root, and the tree in the module's docstring is the one that they make."""

import builtins
import inspect
import re

from zoho_tokenstore import errors

CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
}


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


def test_all_errors_have_one_root_and_a_docstring_of_their_own():
    for name, kind in CLASSES.items():
        assert issubclass(kind, Warning if name.endswith("Warning") else errors.TokenStoreError)
        assert kind.__doc__ != Exception.__doc__
        kind("a single message is enough, so that errors can be pickled")


def test_the_tree_shows_every_error_with_its_parents():
    shown = drawn()
    assert shown == {
        name: bases_of(kind)
        for name, kind in CLASSES.items()
        if issubclass(kind, errors.TokenStoreError) and kind is not errors.TokenStoreError
    }


def test_the_builtins_in_the_tree_are_builtins():
    for parents in drawn().values():
        for name in parents - CLASSES.keys():
            assert issubclass(getattr(builtins, name), Exception)
