//! What operators use: jobs, queues, metrics, migrations.

mod commands;
mod database_files;
mod doctor;
mod jobs;
mod metrics;
mod migrations;
mod queues;
