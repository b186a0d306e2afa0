//! Measured figures, each against a named comparator in the same run.
#![forbid(unsafe_code)]

pub mod bare;
pub mod city;
pub mod cpu;
pub mod desk;
pub mod farm_process;
pub mod fed;
pub mod figure;
pub mod footage;
pub mod happenings;
pub mod memory;
