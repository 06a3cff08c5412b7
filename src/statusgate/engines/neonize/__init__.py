"""The real engine: one subprocess per account in which the ``neonize`` library lives.

Only the worker process imports the library; the gateway talks to it over a socket.
"""
