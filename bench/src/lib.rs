//! Benchmarks of linecast.
