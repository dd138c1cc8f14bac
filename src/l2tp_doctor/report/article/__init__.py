"""An article on the terminal, as Markdown, HTML, PDF and JSON."""
