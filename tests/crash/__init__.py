"""kill -9 at every step of send, receive and deliver: `make crash KILLS=300`."""
