"""The simple API codec: pages in, pages out, and which form a client wants; pure, and the only place that escapes.

`parse` reads what an upstream sent, `render` writes what a client gets, `negotiate` picks the form. Sources: the living
specification "Simple repository API", which is PEP 503, 592, 629, 658, 691, 700, 714, 740, 792 and 833.
"""
