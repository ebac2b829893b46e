"""What every command of the command line shares with the screen: progress, tables, messages."""
