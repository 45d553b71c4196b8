"""The views: from a request to an answer. Each module is one resource; what they share of sending is in `sending`."""
