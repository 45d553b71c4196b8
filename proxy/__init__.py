"""proxy: the HTTP face. Requests in, responses out; everything it says it learns from `mirror`."""
