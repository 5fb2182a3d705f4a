"""What the suite knows of one API: a file each, found by its name in this folder."""
