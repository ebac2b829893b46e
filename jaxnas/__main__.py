"""`python -m jaxnas` is the command `jaxnas`."""

from jaxnas.cli.main import main

if __name__ == "__main__":
    main()
