"""What every section of the settings has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section: frozen, no unknown keys, defaults are checked as well."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        # use_attribute_docstrings stays off: parsing this module costs every start 40 ms.
        defer_build=True,
    )
