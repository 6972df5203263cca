"""What trains: the loop, its objectives, and what happens before and after them."""
