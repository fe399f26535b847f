//! Tables, as wide as what they hold.

use super::{
    Style, heading, is_number,
    value::{plain, width},
};
use crate::report::Table;

/// Writes a table.
pub fn render(text: &mut String, table: &Table, style: Style) {
    let columns = &table.schema.columns;
    let cells: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .zip(row)
                .map(|(column, value)| plain(value, column.unit))
                .collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let widest = cells
                .iter()
                .filter_map(|row| row.get(index))
                .map(|cell| width(cell))
                .max();
            widest.unwrap_or(0).max(column.title.len())
        })
        .collect();
    let right: Vec<bool> = columns
        .iter()
        .map(|column| is_number(column.unit, column.role))
        .collect();
    let titles: Vec<String> = columns
        .iter()
        .map(|column| column.title.to_owned())
        .collect();
    text.push_str(&heading(style, &line(&titles, &widths, &right)));
    text.push('\n');
    for row in &cells {
        text.push_str(&line(row, &widths, &right));
        text.push('\n');
    }
    if cells.is_empty() {
        text.push_str("(nothing)\n");
    }
    if table.rows_left_out > 0 {
        text.push_str(&format!("... and {} more (-n)\n", table.rows_left_out));
    }
}

fn line(cells: &[String], widths: &[usize], right: &[bool]) -> String {
    let mut line = String::new();
    for ((cell, columns), right) in cells.iter().zip(widths).zip(right) {
        let padding = " ".repeat(columns - width(cell).min(*columns));
        if *right {
            line.push_str(&padding);
            line.push_str(cell);
        } else {
            line.push_str(cell);
            line.push_str(&padding);
        }
        line.push_str("  ");
    }
    line.truncate(line.trim_end().len());
    line
}
