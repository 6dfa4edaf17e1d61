"""Codes with a sentence: what a journal line names briefly and a person reads in full."""

from enum import StrEnum
from typing import Self


class Coded(StrEnum):
    """An enum whose members are written `NAME = "code", "Sentence."`."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        """Build a member from its code and its sentence."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member
