"""The networks of NAS-Bench-201 as pure Flax modules: scored, trained, and the supernet."""
