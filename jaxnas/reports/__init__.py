"""Every table that a user sees, as data: headings, rows, notes."""
