"""Papers that go with a version: what it is made of, and its card in a form that others read."""
