//! Tests of the fakes: they keep the promises of the ports.

mod changes;
mod queue;
