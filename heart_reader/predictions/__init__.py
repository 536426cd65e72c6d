"""What models answered, kept in a table that is bounded and holds nobody's ECG or name."""
