"""mirror: the product without HTTP serving. It knows what is served and from where; it knows no proxy and no settings."""
