"""The commands of `jaxnas`, one file each, by its name."""
