"""A page to try the library on: photograph in, map and what it is good for."""
