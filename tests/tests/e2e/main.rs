//! The whole of it, from one end to the other: real programs, real HTTP, every database.

mod walk;
