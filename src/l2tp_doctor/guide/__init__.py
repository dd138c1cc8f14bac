"""The article, alive: searched, imported, and rewritten for the machine in front of the reader."""
