//! The exporter, as those see it who scrape it.

mod contrib;
mod life;
mod page;
mod prometheus;
mod requests;

use crate::harness::Test;

pub fn tests() -> Vec<Test> {
    [
        prometheus::tests(),
        life::tests(),
        page::tests(),
        requests::tests(),
        contrib::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
