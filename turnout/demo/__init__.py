"""A whole pretend company with real parts: a PostgreSQL leader and follower, people, the SDK."""
