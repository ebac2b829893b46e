"""How work is spread over a machine: devices, threads, environment, memory; knows no score."""
