"""What is true without any library: frozen structs and pure rules."""
