"""What lands is private by construction: treated on the way, found out when it is not, erasable."""
