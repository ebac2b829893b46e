"""Search spaces: what a cell is, how it is written, and what it costs."""
