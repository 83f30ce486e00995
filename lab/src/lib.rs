//! Network namespaces for linecast: topology, loss, captures, clean-up.
