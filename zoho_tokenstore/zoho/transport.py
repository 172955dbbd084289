"""One request to a server of Zoho's: limited in time and size, never redirected."""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

import requests
from urllib3.exceptions import HTTPError

from zoho_tokenstore.tracebacks import without_frames

__all__ = ["Answer", "get_json", "post_form"]

LONGEST: Final = 1_000_000
"""Bytes of an answer that are read; Zoho's have fewer than a thousand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server has answered.

    Attributes:
        status: The HTTP status.
        body: The bytes, decompressed.
    """

    status: int
    body: bytes

    def json(self) -> object:
        """Return the body as JSON.

        Raises:
            ValueError: The body is not JSON.
        """
        return json.loads(self.body)

    @property
    def fields(self) -> dict[str, Any]:
        """Return the JSON object in the body, an empty one if there is none."""
        try:
            found = self.json()
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def post_form(
    url: str,
    form: Mapping[str, str | None],
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a form and return the answer.

    Args:
        url: Where to send it; a redirect is an answer.
        form: The fields; those that are ``None`` are left out.
        seconds: The time for the whole answer.
        headers: More headers.

    Raises:
        requests.RequestException: There was no answer, or none in time, or it is too long.
    """
    return _limited(
        lambda: requests.post(
            url, data=form, headers=headers, timeout=seconds, allow_redirects=False, stream=True
        ),
        seconds,
    )


def get_json(url: str, *, seconds: float, headers: Mapping[str, str]) -> Answer:
    """Read a resource; see :func:`post_form`."""
    return _limited(
        lambda: requests.get(
            url, headers=headers, timeout=seconds, allow_redirects=False, stream=True
        ),
        seconds,
    )


def _limited(send: Callable[[], requests.Response], seconds: float) -> Answer:
    """Wait so long for an answer: the time limit of ``requests`` is one for each part of it."""
    outcome: Future[Answer] = Future()

    def run() -> None:
        try:
            outcome.set_result(_read(send))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=run, name="zoho-tokenstore-request", daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise requests.ReadTimeout(f"no complete answer within {seconds:g} seconds") from None
    except requests.RequestException as error:
        raise without_frames(error) from None
    except HTTPError as error:  # of urllib3, in the middle of the body
        raise requests.ConnectionError(type(error).__name__) from None


def _read(send: Callable[[], requests.Response]) -> Answer:
    with send() as response:
        body = response.raw.read(LONGEST + 1, decode_content=True)
        if len(body) > LONGEST:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        return Answer(response.status_code, body)
