//! The exporter: what tools and scripts find, as metrics for Prometheus.
//!
//! Data flows one way: reports and maps → rows of [`group`]s, which add up and stay bounded → [`family`]s, one
//! scrape as plain data → text or protobuf ([`format`]) → HTTP.
//!
//! **Architecture invariant:** nothing here knows a tool by name. What a tool's metrics are called, and what they
//! mean, comes from the schema of its reports.

pub mod buckets;
pub mod config;
pub mod family;
pub mod format;
pub mod group;
pub mod http;
pub mod hub;
pub mod indexed;
pub mod name;
pub mod notify;
pub mod own;
pub mod page;
pub mod privileges;
pub mod retry;
pub mod rows;
pub mod run;
pub mod script;
pub mod source;
