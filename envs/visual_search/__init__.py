"""Visual search: displays of items in degrees of visual angle, and the tasks of finding one among them."""
