"""What is kept between two runs: the folder, the embedded database and its schema."""
