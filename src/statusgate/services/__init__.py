"""What the gateway does; knows the domain, the wire and the ports only."""
