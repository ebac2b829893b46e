"""The command line, `jaxnas`: one file a command, and what they share."""
