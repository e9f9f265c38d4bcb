"""The scenarios on road networks: each file lays a road, spawns traffic, and says what is rewarded."""
