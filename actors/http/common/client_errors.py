"""Errors of the HTTP client as text for a person."""


def reason_of(error: Exception) -> str:
    """Why a request got no response: the innermost cause that pyreqwest names, such as "Connection refused"."""
    match error.args:
        case (_, {"causes": [*_, {"message": str(innermost)}]}):
            return innermost
        case (str(text), *_):
            return text
        case _:
            return str(error)
