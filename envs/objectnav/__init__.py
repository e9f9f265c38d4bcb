"""Object navigation: houses, how one moves in them, and the task of finding things."""
