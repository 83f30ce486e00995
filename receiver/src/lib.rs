//! The receiver of linecast: sockets, decode, verify, stage, journal.
