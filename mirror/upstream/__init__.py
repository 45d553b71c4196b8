"""The upstream adapter: simple indexes elsewhere, read over HTTP with credentials, limits and mistrust.

`client` fulfils `mirror.ports.Upstream`. Under it `desk` asks for documents and `files` opens files, both through
`exchange`, which follows redirects by hand: `guard` and `resolver` decide where they may lead, `credentials` finds what
to send, `trust` whom to believe. `document` and `body` read answers and prove them whole, `failures` turns what went
wrong into the errors of the house, and `calls` tells the observer.
"""
