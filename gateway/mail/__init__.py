"""The sealed mail engine: pure functions over raw mail, bytes in and bytes out.

Nothing here knows a clock, a store, settings or a log, and nothing parses a mail to serialise it again:
a mail is a byte string, a part is a range of it, and a change is a splice.

The bytes, and the text in them:

    parts         which bytes belong to which part, and the fields above it
    parameters    a field's value and its parameters
    transfer      quoted-printable and base64: decoded, and edited where they stand
    charsets      octets to characters, and the way back
    japanese      what mailers write under the labels of ISO-2022-JP and EUC-JP
    text          a text leaf, read; its edits as splices of the mail
    words         words of a header, cleaned for those who keep them

What asks for an invitation:

    sieve         whether a mail can hold a marker, at the speed of a search
    markup        HTML or plain text as one string, and the way back
    marker        the marker, whole or broken
    quotes        which lines are somebody else's
    quote_tags    the same, by the tags of HTML
    attributions  what mailers write above a quote
    unseen        which places of a page no reader sees
    inline        the bodies that a mail shows of itself
    eligible      whether it may be rewritten, and if not, why
    coded         codes with a sentence

What the letter says:

    notice        a room of its own: name, job, stage and language of one candidate

What leaves:

    footer        the invitation in the marker's place
    placement     where it goes when no marker has a place for it
    signatures    where the author's signature begins
    elements      which elements of a page are open where
    check         the proof that nothing else was changed
    trace         hops, faults, fingerprint, Received, our stamp
    dkim_sign     DKIM signatures
    report        the report of recipients who were refused
"""
