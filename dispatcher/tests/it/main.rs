//! The dispatcher as its neighbours meet it: on a real disk, with real servers around it.
//!
//! One binary, so that everything is linked once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod channels;
mod detection_log;
mod determinism;
mod fire;
mod log_on_s3;
mod mqtt;
mod network;
mod permits;
mod readers;
mod replay;
mod sensors;
mod simulation;
mod sqlite;
mod support;
mod webhook;

/// What must be the same on both databases, on SQLite.
#[path = "."]
mod on_sqlite {
    use crate::support::database::on_sqlite as database;

    mod cases;
    mod crash;
    mod dispatch;
    mod intake;
    mod people;
    mod policies;
    mod rulings;
    mod store;
}

/// The same on PostgreSQL.
#[path = "."]
#[allow(clippy::duplicate_mod, reason = "that is the point")]
mod on_postgres {
    use crate::support::database::on_postgres as database;

    mod cases;
    mod crash;
    mod dispatch;
    mod intake;
    mod people;
    mod policies;
    mod rulings;
    mod store;
}
