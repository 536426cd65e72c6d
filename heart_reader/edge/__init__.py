"""From a bundle to files that a phone or a monitor runs, each step measured."""
