"""Who may: people and their sessions, write keys, share links. Never what a request looks like."""
