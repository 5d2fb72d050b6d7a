"""Networks of the book, one module a subject; `layers` holds the 1-D blocks that several of them share."""
