"""What a rejection notice says of its candidate: name, job, stage, language, each with its source.

The letter, and what it is read with:

    letter        what the whole mail says, and what of it is one candidate's
    findings      how sure each value is, and what contradicts it
    names         what is a person's name
    greetings     where a letter names its reader
    jobs          what it is about
    stages        which stage it ends
    language      Japanese or English
"""

from gateway.mail.notice.findings import Confidence, Conflict, Finding, Source
from gateway.mail.notice.letter import Letter, Notice, read_letter

__all__ = ["Confidence", "Conflict", "Finding", "Letter", "Notice", "Source", "read_letter"]
