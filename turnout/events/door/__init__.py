"""The door for events: who may send, what they sent, and what the journal is to keep of it."""
