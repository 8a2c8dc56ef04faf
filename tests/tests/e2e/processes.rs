//! Commands, configuration, and the life of a process.

mod command_line;
mod configuration;
mod dotenv;
mod output;
mod shutdown;
mod wakes;
