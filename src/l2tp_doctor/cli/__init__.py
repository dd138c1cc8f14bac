"""The command line.  Every command's own modules are imported when that command runs."""
