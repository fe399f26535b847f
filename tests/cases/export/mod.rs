//! The exporter, as those see it who scrape it.

mod contrib;
mod life;
mod page;
mod prometheus;
mod requests;
mod service;

use crate::harness::Test;

pub fn tests() -> Vec<Test> {
    [
        prometheus::tests(),
        life::tests(),
        page::tests(),
        requests::tests(),
        service::tests(),
        contrib::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
