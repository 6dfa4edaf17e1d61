"""Which language a visitor reads: the switch, then the browser's wish, then what we know of the person."""

from collections.abc import Mapping

from starlette.requests import Request

from gateway.rendering import LANGUAGES

DEFAULT = "ja"
"""For a visitor who asks for none of ours and of whom we know nothing."""


def language_of(request: Request, otherwise: str = DEFAULT) -> str:
    """Return the language for this request; `otherwise` is the language of the person's notice."""
    chosen = request.query_params.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    wished = preferred(request.headers.get("accept-language", ""), LANGUAGES)
    return wished or (otherwise if otherwise in LANGUAGES else DEFAULT)


def preferred(accept_language: str, offered: Mapping[str, str]) -> str | None:
    """Return the offered language that an Accept-Language field likes best (RFC 9110, section 12.5.4).

    `en-GB` asks for `en`; of equal wishes the first counts. A lone `*` is no wish. Nonsense is skipped.
    """
    best: tuple[float, str] | None = None
    for item in accept_language.split(","):
        tag, _, parameter = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if language in offered and weight > (best[0] if best else 0):
            best = (weight, language)
    return best[1] if best else None


def _weight(parameter: str) -> float:
    """Read `q=0.8`; nothing means 1, nonsense means 0."""
    if not parameter.strip():
        return 1.0
    name, _, value = parameter.partition("=")
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip().lower() == "q" and 0 <= weight <= 1 else 0.0
