"""`goen explain`: what the gateway would do with one mail, and why; it sends nothing and opens no store.

given          the mail as a file holds it, made into what the wire would carry
people         who would send it to whom
circumstances  the settings, or samples where there are none
examination    what would become of it: pure, with the functions that `goen serve` runs
parts_seen     the tree of its parts, with the markers in it
difference     what is other in a copy
explanation    the value that comes of all this
advice         what can be done about it
as_text        for a person
as_data        for a program
on_disk        the copies as files
"""
