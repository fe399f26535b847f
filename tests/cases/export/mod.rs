//! The exporter, as those see it who scrape it.

mod prometheus;

use crate::harness::Test;

pub fn tests() -> Vec<Test> {
    prometheus::tests()
}
