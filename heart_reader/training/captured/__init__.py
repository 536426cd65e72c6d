"""Steps held as CUDA graphs, and the optimizer that they need."""
