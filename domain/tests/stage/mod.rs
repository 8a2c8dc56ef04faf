//! The stage keeps the promises of the ports: what is shown on a crooked one proves nothing.

mod changes;
mod queue;
