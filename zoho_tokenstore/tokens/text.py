r"""Text that others decide: user names, file names, the words of databases and of Zoho."""

__all__ = ["harmless"]


def harmless(value: object) -> str:
    r"""Return a text without control characters, for one line of a terminal, a pipe or a log.

    Terminals obey escape sequences, with which a text could clear the screen or set the title. Line
    breaks could forge output, and invisible and bidirectional characters could disguise it. Each
    character that is not printable is replaced by its escape sequence in Python, such as ``\x1b``.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
