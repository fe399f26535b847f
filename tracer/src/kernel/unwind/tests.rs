use std::{collections::HashMap, env, process::Command};

use super::*;

#[inline(never)]
fn a_function_of_our_own(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

/// What `readelf` says of this program: the rule of each address at which one begins, where it can be told from the
/// columns that it has for `rbp`.
fn as_readelf_says(text: &str) -> HashMap<u64, Rule> {
    let mut found = HashMap::new();
    let mut columns: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["LOC", "CFA", ..] => columns = words,
            [address, cfa, ..] if words.len() == columns.len() && address.len() == 16 => {
                let Ok(address) = u64::from_str_radix(address, 16) else {
                    continue;
                };
                let value = |name| {
                    let at = columns.iter().position(|column| *column == name);
                    at.map_or("u", |at| words[at])
                };
                if let Some(rule) = rule(cfa, value("rbp"), value("ra")) {
                    found.insert(address, rule);
                }
            }
            _ => {}
        }
    }
    found
}

fn rule(cfa: &str, rbp: &str, ra: &str) -> Option<Rule> {
    let saved = match rbp {
        "u" | "s" => 0,
        _ => rbp.strip_prefix("c-")?.parse().ok()?,
    };
    match (cfa.split_once('+'), ra) {
        (_, "u") => Some(Rule::Outermost),
        (Some(("rsp", offset)), "c-8") => Some(Rule::Stack {
            offset: offset.parse().ok()?,
            saved,
        }),
        (Some(("rbp", offset)), "c-8") => Some(Rule::Frame {
            offset: offset.parse().ok()?,
            saved,
        }),
        _ => None,
    }
}

impl Table {
    fn rule_at(&self, address: u64) -> Rule {
        let address = u32::try_from(address - self.base).expect("it is in the file");
        let behind = self.rows.partition_point(|row| row.address <= address);
        behind
            .checked_sub(1)
            .map_or(Rule::Unknown, |at| self.rows[at].rule)
    }
}

#[test]
fn rows_are_those_that_readelf_shows() {
    let own = env::current_exe().expect("own path");
    let shown = Command::new("readelf")
        .args(["--wide", "--debug-dump=frames-interp"])
        .arg(&own)
        .output();
    let Ok(shown) = shown else {
        return eprintln!("SKIPPED: there is no readelf here");
    };
    let text = String::from_utf8_lossy(&shown.stdout);
    // It shows `.debug_frame`, too, where libraries have one.
    let text = text.split("Contents of the .debug_frame").next();
    let said = as_readelf_says(text.unwrap_or_default());
    assert!(said.len() > 10_000, "{} rows", said.len());
    let table = Table::of(&own).expect("readable");
    // Functions that the linker has left out keep their information, at addresses where nothing is.
    for (&address, rule) in said.iter().filter(|(address, _)| **address >= table.base) {
        assert_eq!(table.rule_at(address), *rule, "{address:#x}");
    }
}

#[test]
fn own_functions_are_known_where_they_lie_in_memory() {
    let own = env::current_exe().expect("own path");
    let table = Table::of(&own).expect("readable");
    let address = a_function_of_our_own as *const () as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    let line = maps.lines().find(|line| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        (number(start)..number(end)).contains(&address)
    });
    let words: Vec<&str> = line.expect("it is mapped").split_whitespace().collect();
    let start = u64::from_str_radix(words[0].split('-').next().unwrap(), 16).unwrap();
    let offset = u64::from_str_radix(words[2], 16).unwrap();
    let of_file = table.address_at(offset).expect("there is code") + (address - start);
    let entry = Rule::Stack {
        offset: 8,
        saved: 0,
    };
    assert_eq!(table.rule_at(of_file), entry);
}

/// Two functions with a hole between, and one that the linker has left out.
#[test]
fn holes_are_told() {
    let rule = |offset| Rule::Stack { offset, saved: 0 };
    let mut all = Vec::new();
    let mut function = |start: u64, end, offset| {
        let first = all.len();
        all.extend([(start, rule(8)), (start + 1, rule(offset))]);
        Function {
            start,
            end,
            rows: first..first + 2,
        }
    };
    let functions = vec![
        function(0x1030, 0x1040, 32),
        function(0, 0x10, 16),
        function(0x1010, 0x1020, 8),
        function(0x1020, 0x1028, 16),
    ];
    let rows = joined(functions, &all, 0x1000);
    let row = |address, rule| Row { address, rule };
    assert_eq!(
        rows,
        [
            row(0, Rule::Unknown),
            row(0x10, rule(8)),
            row(0x21, rule(16)),
            row(0x28, Rule::Unknown),
            row(0x30, rule(8)),
            row(0x31, rule(32)),
            row(0x40, Rule::Unknown),
        ]
    );
}

/// Where signals return, where threads begin, and the entries by which it calls what others may replace.
#[test]
fn rules_of_the_c_library_are_known() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    let mut files = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let Some(library) = files.find(|file| file.ends_with("/libc.so.6")) else {
        return eprintln!("SKIPPED: these tests have no C library of their own");
    };
    let table = Table::of(Path::new(library)).expect("readable");
    let has = |wanted: fn(&Rule) -> bool| table.rows.iter().any(|row| wanted(&row.rule));
    assert!(has(|rule| *rule == Rule::Signal));
    assert!(has(|rule| *rule == Rule::Outermost));
    let entry = Rule::Jump {
        offset: 8,
        pushed: 11,
    };
    assert!(table.rows.iter().any(|row| row.rule == entry));
}
