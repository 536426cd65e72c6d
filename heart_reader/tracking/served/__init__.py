"""A bundle behind HTTP, with another one beside it that is only asked."""
