//! Figures, and tables of them.

/// What was measured of one contender.
pub struct Figure {
    name: String,
    unit: Option<&'static str>,
    median: f64,
    least: f64,
    largest: f64,
}

impl Figure {
    /// The median of what was taken, with its bounds.
    pub fn of(name: &str, mut taken: Vec<f64>) -> Self {
        taken.sort_by(f64::total_cmp);
        let at = |index: usize| taken.get(index).copied().unwrap_or(f64::NAN);
        Self {
            name: name.to_owned(),
            unit: None,
            median: at(taken.len() / 2),
            least: at(0),
            largest: at(taken.len().saturating_sub(1)),
        }
    }

    /// The same of a number of events that were not shown.
    pub fn of_lost(name: &str, taken: Vec<f64>) -> Self {
        Self {
            unit: Some(""),
            ..Self::of(&format!("{name}, lost"), taken)
        }
    }

    /// The same of resident memory.
    pub fn of_memory(name: &str, taken: Vec<f64>) -> Self {
        Self {
            unit: Some("MB"),
            ..Self::of(&format!("{name}, memory"), taken)
        }
    }
}

/// Figures that are to be compared.
pub struct Table {
    /// What was measured.
    pub title: &'static str,
    /// In what.
    pub unit: &'static str,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Table {
    /// Prints it.
    pub fn print(&self) {
        println!("\n{} ({})", self.title, self.unit);
        for figure in &self.figures {
            let unit = figure.unit.unwrap_or(self.unit);
            let (median, least, largest) = (figure.median, figure.least, figure.largest);
            println!(
                "  {:<34} {median:>12.1} {unit:<3} ({least:.1} to {largest:.1})",
                figure.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let figure = Figure::of("x", vec![9.0, 1.0, 5.0]);
        assert_eq!(
            (figure.median, figure.least, figure.largest),
            (5.0, 1.0, 9.0)
        );
    }
}
