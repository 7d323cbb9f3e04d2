"""What the collector needs to speak HTTP: requests, routes, who may send, and what it answers."""
