//! Erasure codecs of linecast behind one interface.
