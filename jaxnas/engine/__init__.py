"""How work is spread over a machine: threads, devices, environment, memory; knows no score."""
