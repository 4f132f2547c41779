//! What the tests of every backend share.
