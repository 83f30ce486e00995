//! Interfaces, multicast sockets, clocks and resource usage for linecast.
