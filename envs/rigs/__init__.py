"""Camera rigs on a car: streets to drive through, what moves in them, and surround views of it all."""
