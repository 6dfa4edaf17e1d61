"""The sealed mail engine: pure functions over raw mail, bytes in and bytes out.

Nothing here knows a clock, a store, settings or a log, and nothing parses a mail to serialise it again:
a mail is a byte string, a part is a range of it, and a change is a splice.
"""
