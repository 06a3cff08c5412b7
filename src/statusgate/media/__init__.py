"""Files: where they are kept, and what can be made of them without trusting them."""
