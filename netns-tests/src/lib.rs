//! The real binaries of linecast in Linux network namespaces.
